#pragma once
// Repositories that were opened a moment ago, kept for the next reader. Opening one costs about a
// hundred system calls (its configuration, the list of its packs, an index for each), reading one
// file out of it a few. Private to the module.

#include <cstdint>
#include <filesystem>

#include "git/libgit.h"

namespace hearth::git::internal {

/// What a handle was opened from. When it has changed (packs came or went, refs were packed, the
/// configuration was written) the handle is not used again; what changes otherwise libgit2 looks up
/// each time.
struct RepositoryStamp {
  int64_t packs_changed_ns = 0;
  uint64_t config_inode = 0;
  int64_t config_changed_ns = 0;
  uint64_t packed_refs_inode = 0;
  int64_t packed_refs_changed_ns = 0;
  int64_t packed_refs_bytes = 0;

  bool operator==(const RepositoryStamp&) const = default;
};

struct OpenRepository {
  Handle<git_repository> handle;
  RepositoryStamp stamp;
  /// Something of the stamp had changed just before: a file system's clock goes in steps of some
  /// milliseconds, so that the next change might not show. Such a handle is used once.
  bool is_fresh_change = false;
};

/// A handle for this caller alone: a kept one, or a new one. Throws kNotFound.
OpenRepository take_repository(const std::filesystem::path& dir);

/// Keeps it for half a minute at most; too many, and the one that was idle for longest is closed.
/// Only for handles that nothing was changed about.
void give_back_repository(const std::filesystem::path& dir, OpenRepository repository) noexcept;

}  // namespace hearth::git::internal
