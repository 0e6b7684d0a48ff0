#pragma once
// Reading all that is stored within a stated time, so that damage is found while there is still a
// backup without it, and not when somebody needs the file.
//
// Kinds: whole files, xorbs, shards, repositories of git, the database. Each is read in the order
// of its names, in steps that a restart goes on with. What is damaged stays where it is, and is
// served no more (its bytes do not fit their sums); it is noted, and from then on clients that have
// the same content are asked for it: what they send takes its place. A read that fails is tried
// again before it counts, and looked at again every hour. What rows need and the disk does not have
// is damage, too.

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "hub/context.h"

namespace hearth::blob {
class BlobStore;
}

namespace hearth::hub {

class Repositories;
class TaskContext;
class TaskRunner;

inline constexpr std::string_view kScrubKinds[] = {"blob", "xorb", "shard", "git", "database"};

struct ScrubSettings {
  int64_t period_ms = int64_t{30} * 24 * 3600 * 1000;  // All is read once in this time. 0: never.
  uint64_t bytes_per_s = 50'000'000;  // The server reads at most so much. 0: no limit.
};

struct ScrubState {
  std::optional<int64_t> began_ms = {};  // Of the pass that is under way.
  std::string after = {};                // What it read last.
  int64_t whole_since_ms = 0;            // All was read, or written, since.
  std::optional<int64_t> ended_ms = {};  // When the last pass ended.
  int64_t read_count = 0;                // Of the pass under way, else of the last.
  int64_t read_bytes = 0;
};

struct DamagedFile {
  std::string kind;
  std::string name;  // A hash, the id of a repository, or "database"
  std::string why;
  int64_t found_ms = 0;

  json::object to_json() const;
};

struct ScrubReport {
  struct Kind {
    std::string_view kind;
    int64_t read_count = 0;
    int64_t read_bytes = 0;  // As stored; of git what its folder was measured at last.
  };
  std::vector<Kind> kinds;
  std::vector<DamagedFile> damaged;  // All that is known, not only what is new.

  json::object to_json() const;
};

/// Safe beside a working hub, a backup, a garbage collection and other processes. One at a time.
class Scrubber {
 public:
  Scrubber(HubContext context, Repositories& repositories, const blob::BlobStore& blobs,
           ScrubSettings settings = {});

  /// Reads everything once, from the beginning and without a limit of bytes. `check` is called
  /// often and may throw to end it. Throws kConflict when the server reads just now.
  ScrubReport run(const std::function<void()>& check = [] {});

  std::vector<DamagedFile> damaged();
  /// The time since which everything has been read at least once; now when nothing was stored yet.
  int64_t oldest_ms();

  /// Looks again at damaged files that were replaced since, or could not be read an hour ago; until
  /// `wants_more` says no.
  void look_again(
      const std::function<void(uint64_t)>& on_bytes = [](uint64_t) {},
      const std::function<bool()>& wants_more = [] { return true; });

  /// "hub.scrub"
  void register_tasks(TaskRunner& runner);
  /// Adds a task when a pass is due, or something to be looked at again.
  void enqueue_if_due();

 private:
  class Pass;
  enum class State { kSound, kDamaged, kUnknown };
  struct Looked {
    State state = State::kSound;
    std::string why = {};
    uint64_t size_bytes = 0;
  };
  using OnBytes = std::function<void(uint64_t)>;

  std::vector<std::string> names_after(std::string_view kind, const std::string& after);
  Looked read(std::string_view kind, const std::string& name, const OnBytes& on_bytes);
  /// Reads it, twice when it is damaged, and notes what came of it; returns its size.
  uint64_t look_at(std::string_view kind, const std::string& name, const OnBytes& on_bytes);
  void note(std::string_view kind, const std::string& name, const std::string& why);
  void note_missing(std::string_view kind);
  std::vector<DamagedFile> to_be_seen_again();
  bool is_due(const ScrubState& state) const;
  fs::path path_of(const DamagedFile& file) const;

  HubContext context_;
  Repositories& repositories_;
  const blob::BlobStore& blobs_;
  const ScrubSettings settings_;
  std::mutex mutex_;
  std::map<std::string, int64_t> seen_again_ms_;  // By kind and name.
};

}  // namespace hearth::hub
