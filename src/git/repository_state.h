#pragma once
// What a GitRepo holds. Private to the module.

#include "git/libgit.h"
#include "git/repository.h"

namespace hearth::git {

struct GitRepo::State {
  fs::path dir;
  fs::path quarantine_dir;  // empty: none
  internal::Handle<git_repository> repo;

  git_repository* raw() const { return repo.get(); }
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
