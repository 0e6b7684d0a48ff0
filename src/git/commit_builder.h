#pragma once
// A commit from operations on the tree of its parent.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "git/lfs_pointer.h"
#include "git/names.h"
#include "git/oid.h"
#include "git/quarantine.h"
#include "git/repository.h"

namespace hearth::git {

/// What was built. Its objects are in the quarantine: migrate(), then move the ref.
struct Built {
  bool changed = false;  // false: the tree is the parent's; no commit was written
  Oid tree;
  std::optional<Oid> commit;   // when changed, or asked for
  std::vector<NewBlob> blobs;  // blobs that are new in this commit, each once
};

/// Applies operations in the order of the calls (hub-api 4.4) and writes blobs at once, so that a
/// large commit needs little memory. Only folders that an operation touches are read and rewritten.
///
/// Errors: kNotFound with EntryNotFound (deleting or copying what is not there), kUnprocessable
/// (a file where a folder is needed, or the other way round).
class CommitBuilder {
 public:
  /// `parent`: the commit whose tree is the starting point; nothing: an empty tree.
  CommitBuilder(const fs::path& repo_dir, std::optional<Oid> parent);
  CommitBuilder(CommitBuilder&&) noexcept;
  ~CommitBuilder();

  /// Writes a blob now and gives it a path later, by put_staged: what a request carries can leave
  /// memory before the parent is known. Throws kTooLarge.
  Oid stage_blob(ByteView content);
  /// `blob` was staged here.
  void put_staged(const RepoPath& path, const Oid& blob);
  /// Of a file that was put at this path.
  void make_executable(const RepoPath& path);
  /// Begins again from another parent, with the blobs staged so far: for a branch that moved
  /// meanwhile. Also after build(), and after the quarantine was migrated.
  void restart(std::optional<Oid> parent);

  /// Returns the blob's oid.
  Oid put_blob(const RepoPath& path, ByteView content);
  Oid put_pointer(const RepoPath& path, const LfsPointer& pointer);
  /// Deletes a file, or a folder with all that is in it.
  void remove(const RepoPath& path);
  /// Deletes a folder; a file of that name is kNotFound.
  void remove_folder(const RepoPath& path);
  /// Copies a file or a folder as it is in `source_commit` (nothing: as this builder has it now).
  void copy(const RepoPath& from, const RepoPath& to, std::optional<Oid> source_commit = {});
  /// Replaces the whole tree (revert, squash).
  void use_tree(const Oid& tree);

  /// The entry at a path as the operations so far left it.
  std::optional<TreeEntry> entry(const RepoPath& path) const;

  struct Commit {
    Signature author;
    Signature committer;
    std::string message;
    std::vector<Oid> parents;
    bool allow_empty = false;  // write a commit even if the tree is the parent's
  };
  /// Writes trees and the commit. Call once, or once after each restart().
  Built build(const Commit& commit);

  /// The quarantine that holds the new objects. Another one after restart() if this was migrated.
  Quarantine& quarantine();
  /// A view of the repository with the quarantine's objects. Complete after build().
  const GitRepo& repo() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hearth::git
