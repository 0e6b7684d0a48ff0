#pragma once
// Objects of one write, kept apart until they are accepted.

#include <functional>
#include <memory>
#include <vector>

#include "base/fs.h"
#include "git/oid.h"

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

  /// Moves every object into the repository, for good: flushed files, then renames (blobs before
  /// the trees that name them, an index after its pack), then flushed folders. Afterwards a ref may
  /// name them. A crash in between leaves unreachable objects at most. May be called again; the
  /// second time it does nothing.
  void migrate();

  /// Notes a loose object in the order in which it was written.
  void add_loose(const Oid& oid) { loose_.push_back(oid); }

 private:
  fs::path objects_dir_;
  fs::path dir_;
  std::vector<Oid> loose_;
};

/// Removes quarantine folders that a crash left behind, if they are older than `age_s` seconds.
/// Returns how many.
size_t remove_stale_quarantines(const fs::path& repo_dir, int64_t age_s = 24 * 3600);

}  // namespace hearth::git
