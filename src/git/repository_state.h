#pragma once
// What a GitRepo holds. Private to the module.

#include "git/libgit.h"
#include "git/open_repositories.h"
#include "git/repository.h"

namespace hearth::git::internal {

/// Opens (and makes) a lock file and takes flock(2) `operation`. Empty after `wait`.
Fd lock_file(const fs::path& path, int operation, std::chrono::milliseconds wait);

/// What the files below a folder take. A file that goes meanwhile counts or not.
uint64_t folder_bytes(const fs::path& dir);

}  // namespace hearth::git::internal

namespace hearth::git {

struct GitRepo::State {
  fs::path dir;
  fs::path quarantine_dir;  // empty: none
  internal::OpenRepository open;
  struct Comparison {
    Oid old_tree;
    Oid new_tree;
    std::vector<PathChange> changes;
  };
  std::optional<Comparison> last_comparison = {};

  explicit State(const fs::path& directory)
      : dir(directory), open(internal::take_repository(directory)) {}
  ~State() {
    // One that sees a quarantine is no use to others.
    if (quarantine_dir.empty()) internal::give_back_repository(dir, std::move(open));
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  git_repository* raw() const { return open.handle.get(); }
};

namespace internal {

/// Valid UTF-8: other bytes become U+FFFD, as do NULs.
std::string to_utf8(std::string_view text);

/// The commit, or an empty handle if there is no such commit.
Handle<git_commit> find_commit(git_repository* repo, const Oid& oid);
/// Throws kNotFound.
Handle<git_commit> require_commit(git_repository* repo, const Oid& oid);
/// Throws kCorrupt when it is missing. The empty tree needs not be stored.
Handle<git_tree> require_tree(git_repository* repo, const Oid& oid);

}  // namespace internal
}  // namespace hearth::git
