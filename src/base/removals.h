#pragma once
// Who may remove stored files, and when.
//
// A backup copies what the database named at one moment, for as long as that takes. So whoever
// removes blobs, xorbs, shards, or the folder of a repository first takes a RemovalTurn; any number
// of them have one at a time. A backup holds them all off. The lock is a flock(2) on
// DATA/run/removals.lock: it ends with its process, however that ends, and every process that
// shares the folder sees it.

#include <chrono>
#include <optional>

#include "base/fs.h"

namespace hearth {

/// The right to remove stored files while this object lives. Decide what to remove, and remove it,
/// within one turn: before it a backup may have needed the file.
class RemovalTurn {
 public:
  /// Nothing: a backup is running. Leave the files where they are and come again later.
  static std::optional<RemovalTurn> try_take(const fs::path& data_dir);

 private:
  explicit RemovalTurn(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

/// While this object lives nobody has a RemovalTurn.
class RemovalsHeldOff {
 public:
  /// Waits for the turns that are under way. Throws Error: kUnavailable after `wait`; kConflict at
  /// once when another process holds removals off (another backup runs).
  explicit RemovalsHeldOff(const fs::path& data_dir,
                           std::chrono::milliseconds wait = std::chrono::minutes(5));

 private:
  Fd mine_;  // Tells another backup from a removal under way.
  Fd fd_;
};

}  // namespace hearth
