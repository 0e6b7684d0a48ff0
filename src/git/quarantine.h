#pragma once
// Objects of one write, kept apart until they are accepted.

#include <cstdint>

#include "base/fs.h"

namespace hearth::git {

/// A folder `objects/tmp_objdir-incoming-…` of the repository, as git's own receive-pack makes one
/// (`git prune` clears such folders when they are old). Nothing in it is visible to readers of the
/// repository. The destructor removes what was not migrated.
class Quarantine {
 public:
  /// `repo_dir` is the bare repository.
  explicit Quarantine(const fs::path& repo_dir);
  Quarantine(Quarantine&& other) noexcept;
  Quarantine& operator=(Quarantine&&) = delete;
  ~Quarantine();

  /// The object folder; use it with GitRepo::open_with, or as GIT_OBJECT_DIRECTORY.
  const fs::path& dir() const { return dir_; }

  bool is_migrated() const { return dir_.empty(); }

  /// What its files take: at least what the repository grows by when they are migrated.
  uint64_t bytes() const;

  /// Moves every object into the repository, for good: flushes the files, renames them (an index
  /// after its pack), flushes the folders. Afterwards a ref may name them. A crash in between
  /// leaves unreachable objects at most. The second call does nothing.
  void migrate();

 private:
  fs::path objects_dir_;
  fs::path dir_;
};

/// Removes quarantine folders that a crash left behind, if nothing changed in them for `age_s`
/// seconds. Returns how many.
size_t remove_stale_quarantines(const fs::path& repo_dir, int64_t age_s = 24 * 3600);

}  // namespace hearth::git
