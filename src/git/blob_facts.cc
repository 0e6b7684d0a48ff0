#include "git/blob_facts.h"

#include <array>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace hearth::git::internal {
namespace {

constexpr size_t kShelfCount = 16;  // Each with a lock of its own.
// Of the younger half of a shelf; about 90 bytes each, 220 for a pointer.
constexpr size_t kHalfMax = 100'000 / kShelfCount;

/// Two halves: what is used moves to the younger one; when that is full, the older one is
/// forgotten as a whole. No list of uses has to be kept in order.
class Shelf {
 public:
  std::optional<BlobFacts> find(const Oid& oid) {
    const std::lock_guard lock(mutex_);
    if (auto found = young_.find(oid); found != young_.end()) return found->second;
    auto found = old_.find(oid);
    if (found == old_.end()) return std::nullopt;
    BlobFacts facts = found->second;
    put(oid, std::move(found->second));
    return facts;
  }

  void add(const Oid& oid, const BlobFacts& facts) {
    const std::lock_guard lock(mutex_);
    put(oid, facts);
  }

 private:
  void put(const Oid& oid, BlobFacts facts) {
    if (young_.size() >= kHalfMax) {
      old_ = std::move(young_);
      young_ = {};
    }
    young_.insert_or_assign(oid, std::move(facts));
  }

  std::mutex mutex_;
  std::unordered_map<Oid, BlobFacts> young_;
  std::unordered_map<Oid, BlobFacts> old_;
};

Shelf& shelf_of(const Oid& oid) {
  // Never destroyed: threads may end after the static objects do.
  static auto* const shelves = new std::array<Shelf, kShelfCount>;
  // Not the first bytes: those choose the place within a shelf.
  return (*shelves)[oid.bytes.back() % kShelfCount];
}

}  // namespace

std::optional<BlobFacts> known_blob(const Oid& oid) {
  return shelf_of(oid).find(oid);
}

void remember_blob(const Oid& oid, const BlobFacts& facts) {
  shelf_of(oid).add(oid, facts);
}

}  // namespace hearth::git::internal
