#pragma once
// What the garbage collection of stored files reports. The collection itself is XetStore::collect.

#include <cstdint>
#include <functional>

namespace hearth::xet {

constexpr int64_t kDayMs = int64_t{24} * 3600 * 1000;
/// hf-xet may refer to what it uploaded for 21 days (its session data; xet 6) and to what a dedup
/// answer named for the 14 days that we say; a day more for clocks and for the upload itself.
constexpr int64_t kXorbDelayMs = 22 * kDayMs;
/// A client goes on with an upload within a day (the links' lifetime), and then commits it.
constexpr int64_t kUnusedDelayMs = 2 * kDayMs;

struct CollectOptions {
  /// Counts what would go, and changes nothing.
  bool dry_run = false;
  /// How long files on the disk are kept that no row tells of: an upload may be about to write it.
  int64_t unused_delay_ms = kUnusedDelayMs;
  /// How long a xorb is kept after it was last uploaded, referred to or promised.
  int64_t xorb_delay_ms = kXorbDelayMs;
  /// Called often; may throw.
  std::function<void()> check = [] {};
};

struct Collected {
  uint64_t count = 0;
  uint64_t bytes = 0;
  void add(uint64_t size_bytes) {
    ++count;
    bytes += size_bytes;
  }
};

struct CollectReport {
  Collected files;  // Ways of putting a file together: rows, without bytes of their own.
  Collected blobs;
  Collected xorbs;
  Collected shards;
  Collected caches;
  bool held_off = false;  // A backup needs the files: all or some are left for the next time.
};

}  // namespace hearth::xet
