#pragma once
// Garbage collection: what nothing refers to any more goes, after a while.
//
// Reachable is what a commit names that any ref of any repository reaches (pull requests too), or
// of a repository that can still be brought back. What is not is kept for a delay since that was
// first seen, and an upload or a promise to a client ("no need to send it") begins the delay anew.
// Order: repositories that were deleted long ago; per repository the objects that no commit names;
// then files, xorbs, shards and whole files that no repository has (xet/collect); objects of git;
// what uploads left. Every step can be repeated and looks again in the transaction that removes
// something: a kill anywhere leaves work for the next run, never too little data.

#include <cstdint>
#include <functional>

#include "base/json.h"
#include "hub/context.h"
#include "hub/repo.h"
#include "xet/collect.h"

namespace hearth::blob {
class BlobStore;
}

namespace hearth::hub {

class Receive;
class Repositories;
class TaskRunner;

struct GcSettings {
  /// How long a large file is kept that no commit names.
  int64_t unused_delay_ms = xet::kUnusedDelayMs;
  /// How long a xorb is kept after its last use.
  int64_t xorb_delay_ms = xet::kXorbDelayMs;
  /// How long an unreachable object of git is kept: gc.pruneExpire of git itself.
  int64_t git_delay_ms = 14 * xet::kDayMs;
};

struct GcOptions {
  bool dry_run = false;
  /// Called often; may throw to stop the run.
  std::function<void()> check = [] {};
};

struct GcReport {
  bool dry_run = false;
  xet::Collected repositories;  // Their bytes are counted where they are freed.
  xet::Collected objects;       // Large files that a repository has and no commit of it names
  xet::Collected waiting;       // Of those, the ones whose delay has not passed
  xet::CollectReport stored;
  xet::Collected git;       // Repositories whose objects were collected
  xet::Collected uploads;   // What interrupted ones left
  uint64_t busy_count = 0;  // Repositories that were being changed: left for the next time
  bool held_off = false;    // A backup ran: what it may need was left for the next time

  uint64_t freed_bytes() const;
  json::object to_json() const;
};

/// Safe beside a working hub, a backup, and other processes. One collection at a time.
class GarbageCollector {
 public:
  GarbageCollector(HubContext context, Repositories& repositories, Receive& receive,
                   const blob::BlobStore& blobs, GcSettings settings = {});

  /// Throws kConflict when another collection runs on this data folder.
  GcReport run(const GcOptions& options = {});

  /// "hub.gc"
  void register_tasks(TaskRunner& runner);
  /// Adds a task when the last one was added longer ago than `interval_ms`. 0: never.
  void enqueue_if_due(int64_t interval_ms);

 private:
  class Run;
  HubContext context_;
  Repositories& repositories_;
  Receive& receive_;
  const blob::BlobStore& blobs_;
  const GcSettings settings_;
};

}  // namespace hearth::hub
