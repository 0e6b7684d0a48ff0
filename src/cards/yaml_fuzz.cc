#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cards/cards.h"

// Front matter, YAML, validation and everything that is derived from a card.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hearth;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto parsed = cards::parse_yaml(text);
  if (parsed) (void)json::serialize(*parsed);
  std::string card = "---\n" + std::string(text) + "\n---\n" + std::string(text);
  for (auto kind : {cards::RepoKind::kModel, cards::RepoKind::kDataset, cards::RepoKind::kSpace}) {
    (void)cards::validate(card, kind);
    (void)cards::derive(kind, card, {{"README.md", size}, {"data/train.csv", 3}});
  }
  return 0;
}
