#include "hub/id_set.h"

#include <algorithm>
#include <functional>

#include "base/error.h"

namespace hearth::hub {
namespace {

constexpr size_t kFirstSlots = 1024;
constexpr size_t kTextBytesMax = UINT32_MAX;

uint64_t hash_of(std::string_view id) {
  return std::hash<std::string_view>{}(id);
}

}  // namespace

void IdSet::add(std::string_view id) {
  if (contains(id)) return;
  HEARTH_ASSERT(text_.size() + id.size() < kTextBytesMax, "lists read far fewer ids");
  if (entries_.size() * 2 >= slots_.size()) grow();
  entries_.push_back({.hash = hash_of(id),
                      .begin = static_cast<uint32_t>(text_.size()),
                      .length = static_cast<uint32_t>(id.size())});
  text_ += id;
  put(static_cast<uint32_t>(entries_.size() - 1));
}

size_t IdSet::find(std::string_view id) const {
  if (slots_.empty()) return kNone;
  const uint64_t hash = hash_of(id);
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask; slots_[at] != 0; at = (at + 1) & mask) {
    const Entry& entry = entries_[slots_[at] - 1];
    if (entry.hash == hash && text(entry) == id) return slots_[at] - 1;
  }
  return kNone;
}

std::vector<std::string> IdSet::ids() const {
  std::vector<std::string> ids;
  ids.reserve(entries_.size());
  for (const Entry& entry : entries_) ids.emplace_back(text(entry));
  return ids;
}

void IdSet::put(uint32_t index) {
  const size_t mask = slots_.size() - 1;
  size_t at = entries_[index].hash & mask;
  while (slots_[at] != 0) at = (at + 1) & mask;
  slots_[at] = index + 1;
}

void IdSet::grow() {
  slots_.assign(slots_.empty() ? kFirstSlots : slots_.size() * 2, 0);
  for (uint32_t i = 0; i < entries_.size(); ++i) put(i);
}

}  // namespace hearth::hub
