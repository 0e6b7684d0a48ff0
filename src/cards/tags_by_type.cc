#include <span>

#include "cards/cards.h"
#include "cards/vocabulary.h"

namespace hearth::cards {
namespace {

// What derive() names by itself, and the library that most cards name.
constexpr std::string_view kLibraries[] = {"transformers", "diffusers", "sentence-transformers",
                                           "peft",         "setfit",    "open_clip",
                                           "nemo",         "keras"};
// The steps of the hosted hub's documentation ("Dataset cards").
constexpr std::string_view kSizes[] = {"n<1K",       "1K<n<10K",   "10K<n<100K", "100K<n<1M",
                                       "1M<n<10M",   "10M<n<100M", "100M<n<1B",  "1B<n<10B",
                                       "10B<n<100B", "100B<n<1T",  "n>1T"};

/// "text-to-image" becomes "Text To Image".
std::string label_of_task(std::string_view task) {
  std::string label(task);
  bool begins = true;
  for (char& c : label) {
    if (begins && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    begins = c == '-';
    if (begins) c = ' ';
  }
  return label;
}

struct TagType {
  std::string_view type;
  std::string_view prefix;  // Of the tag, before the word
  std::span<const std::string_view> words;
  bool are_tasks = false;
};

json::array tags_of(const TagType& group) {
  json::array tags;
  for (std::string_view word : group.words) {
    tags.push_back(
        json::object{{"type", group.type},
                     {"id", std::string(group.prefix) + std::string(word)},
                     {"label", group.are_tasks ? label_of_task(word) : std::string(word)}});
  }
  return tags;
}

}  // namespace

json::object tags_by_type(RepoKind kind) {
  json::object types;
  auto add = [&](const TagType& group) { types[group.type] = tags_of(group); };
  if (kind == RepoKind::kDataset) {
    add({"task_categories", "task_categories:", task_ids(), true});
    add({"size_categories", "size_categories:", kSizes});
  } else {
    add({"pipeline_tag", "", task_ids(), true});
    add({"library", "", kLibraries});
  }
  add({"license", "license:", license_ids()});
  return types;
}

}  // namespace hearth::cards
