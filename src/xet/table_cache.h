#pragma once
// The most recently used chunk tables (private to the module).

#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "xet/xet.h"

namespace hearth::xet {

/// Bounded by bytes. Tables never change, so a cached one is never wrong; one that is in use lives
/// on when it is dropped here. Safe from any thread.
class XetStore::TableCache {
 public:
  explicit TableCache(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  std::shared_ptr<const ChunkTable> find(const MerkleHash& xorb) {
    std::lock_guard lock(mutex_);
    auto found = index_.find(xorb);
    if (found == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->table;
  }

  void add(const MerkleHash& xorb, std::shared_ptr<const ChunkTable> table) {
    std::lock_guard lock(mutex_);
    if (index_.contains(xorb)) return;
    bytes_ += cost(*table);
    entries_.push_front({xorb, std::move(table)});
    index_.emplace(xorb, entries_.begin());
    while (bytes_ > bytes_max_ && entries_.size() > 1) {
      bytes_ -= cost(*entries_.back().table);
      index_.erase(entries_.back().xorb);
      entries_.pop_back();
    }
  }

  void clear() {
    std::lock_guard lock(mutex_);
    index_.clear();
    entries_.clear();
    bytes_ = 0;
  }

 private:
  struct Entry {
    MerkleHash xorb;
    std::shared_ptr<const ChunkTable> table;
  };
  static uint64_t cost(const ChunkTable& table) {
    return table.chunks.size() * sizeof(XorbChunk) + 200;
  }

  const uint64_t bytes_max_;
  std::mutex mutex_;
  uint64_t bytes_ = 0;
  std::list<Entry> entries_;  // Most recently used first.
  std::unordered_map<MerkleHash, std::list<Entry>::iterator, MerkleHashHasher> index_;
};

}  // namespace hearth::xet
