#include "git/open_repositories.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

#include <git2.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"

namespace hearth::git::internal {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Each holds some 50 kB and an open file for each pack that was read.
constexpr size_t kIdleMax = 64;
constexpr auto kIdleTimeMax = std::chrono::seconds(30);

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

RepositoryStamp stamp_of(const fs::path& dir) {
  RepositoryStamp stamp;
  struct stat seen{};
  if (::stat((dir / "objects/pack").c_str(), &seen) == 0) {
    stamp.packs_changed_ns = nanoseconds(seen.st_mtim);
  }
  if (::stat((dir / "config").c_str(), &seen) == 0) {
    stamp.config_inode = seen.st_ino;
    stamp.config_changed_ns = nanoseconds(seen.st_mtim);
  }
  if (::stat((dir / "packed-refs").c_str(), &seen) == 0) {
    stamp.packed_refs_inode = seen.st_ino;
    stamp.packed_refs_changed_ns = nanoseconds(seen.st_mtim);
    stamp.packed_refs_bytes = seen.st_size;
  }
  return stamp;
}

bool is_fresh_change(const RepositoryStamp& stamp) {
  constexpr int64_t kStepNs =
      100'000'000;  // Ten steps of the slowest clock that Linux has (100 Hz)
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  int64_t latest_ns =
      std::max({stamp.packs_changed_ns, stamp.config_changed_ns, stamp.packed_refs_changed_ns});
  return nanoseconds(now) - latest_ns < kStepNs;
}

Handle<git_repository> open_now(const fs::path& dir) {
  start_library();
  git_repository* raw = nullptr;
  int code = git_repository_open_bare(&raw, dir.c_str());
  if (code == GIT_ENOTFOUND) {
    throw Error(ErrorKind::kNotFound, "The repository's data is not there.",
                {.detail = dir.string()});
  }
  check(code, "open " + dir.string());
  return Handle<git_repository>(raw);
}

class IdleRepositories {
 public:
  /// An empty handle: there is none that still fits.
  Handle<git_repository> take(const std::string& dir, const RepositoryStamp& stamp) {
    std::list<Entry> closing;  // Closed after the lock is given back.
    std::lock_guard lock(mutex_);
    drop_old(closing);
    for (;;) {
      auto found = by_dir_.find(dir);
      if (found == by_dir_.end()) return {};
      auto entry = found->second;
      by_dir_.erase(found);
      if (entry->repository.stamp == stamp) {
        Handle<git_repository> handle = std::move(entry->repository.handle);
        entries_.erase(entry);
        return handle;
      }
      closing.splice(closing.end(), entries_, entry);
    }
  }

  void give_back(const std::string& dir, OpenRepository repository) {
    std::list<Entry> closing;
    std::lock_guard lock(mutex_);
    entries_.push_back({dir, std::move(repository), Clock::now()});
    by_dir_.emplace(dir, std::prev(entries_.end()));
    drop_old(closing);
    while (entries_.size() > kIdleMax) drop_first(closing);
  }

 private:
  struct Entry {
    std::string dir;
    OpenRepository repository;
    Clock::time_point since;
  };

  void drop_old(std::list<Entry>& closing) {
    auto border = Clock::now() - kIdleTimeMax;
    while (!entries_.empty() && entries_.front().since < border) drop_first(closing);
  }

  void drop_first(std::list<Entry>& closing) {
    auto first = entries_.begin();
    auto [begin, end] = by_dir_.equal_range(first->dir);
    for (auto it = begin; it != end; ++it) {
      if (it->second != first) continue;
      by_dir_.erase(it);
      break;
    }
    closing.splice(closing.end(), entries_, first);
  }

  std::mutex mutex_;
  std::list<Entry> entries_;  // The one that is idle for longest first.
  std::unordered_multimap<std::string, std::list<Entry>::iterator> by_dir_;
};

IdleRepositories& idle() {
  // Never destroyed: threads may end after the static objects do.
  static auto* const kept = new IdleRepositories;
  return *kept;
}

}  // namespace

OpenRepository take_repository(const fs::path& dir) {
  // Read before opening: what changes in between makes the handle look older than it is.
  RepositoryStamp stamp = stamp_of(dir);
  if (stamp.config_inode != 0) {
    if (auto handle = idle().take(dir.string(), stamp)) return {std::move(handle), stamp, false};
  }
  return {open_now(dir), stamp, is_fresh_change(stamp)};
}

void give_back_repository(const fs::path& dir, OpenRepository repository) noexcept {
  if (!repository.handle || repository.is_fresh_change) return;
  try {
    idle().give_back(dir.string(), std::move(repository));
  } catch (const std::bad_alloc&) {
    // Then it is closed.
  }
}

}  // namespace hearth::git::internal
