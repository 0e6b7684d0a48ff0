#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cards/cards.h"
#include "cards/file_tally.h"

// Front matter, YAML, validation and everything that is derived from a card.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto parsed = hearth::cards::parse_yaml(text);
  if (parsed) (void)hearth::json::serialize(*parsed);
  std::string card = "---\n" + std::string(text) + "\n---\n" + std::string(text);
  for (auto kind : {hearth::cards::RepoKind::kModel, hearth::cards::RepoKind::kDataset,
                    hearth::cards::RepoKind::kSpace}) {
    (void)hearth::cards::validate(card, kind);
    (void)hearth::cards::derive(
        kind, card, hearth::cards::FileTally::of(kind, {"README.md", "data/train.csv"}));
  }
  return 0;
}
