#pragma once
// The one way by which a repository changes: git push, API commits, branches, tags, merges.
//
//   1. new objects stand in a quarantine folder beside the repository's own
//   2. checks: paths, sizes, pointers, the card, who may move which ref
//   3. a row naming the pusher, state pending                           (database)
//   4. the objects go over to the repository, flushed                   (git)
//   5. compare-and-swap of the ref                                      (git)
//   6. index, event and the row's end, in one transaction               (database)
//
// A crash after 3 leaves a row that catch_up() compares with the ref: it is completed when the ref
// moved, dropped when it did not. No hook of git runs anywhere in this.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/db.h"
#include "hub/caller.h"
#include "hub/contents.h"
#include "hub/context.h"
#include "hub/repo.h"

namespace hearth::git {
class GitRepo;
class Quarantine;
class ReceivePack;
}  // namespace hearth::git

namespace hearth::hub {

class PathIndex;

/// One ref to move. Empty oids: it is not there yet, or is to be deleted.
struct RefChange {
  std::string ref;      // Full: "refs/heads/main"
  std::string old_oid;  // What it must be now
  std::string new_oid;
};

/// Where a change comes from: events and the audit tell it.
enum class ChangeKind { kPush, kCommit, kBranch, kTag, kMerge, kCreate };

class Receive {
 public:
  Receive(HubContext context, PathIndex& path_index);

  /// Decides about a push whose body has arrived in `pack` (finish() included) and moves the refs.
  /// Returns the body of the answer (application/x-git-receive-pack-result): refs that were refused
  /// carry the reason there, in words for the person who pushed.
  ///
  /// The route has checked that the caller is signed in, sees the repository and may discuss in it
  /// (RepoAction::kDiscuss); who may move which ref is decided here.
  std::string push(const Caller& caller, const Repo& repo, git::ReceivePack& pack);

  /// Moves refs whose new objects are already in the repository or in `quarantine` (may be null).
  /// All or none where they come from the API (one ref each). Throws kConflict (code "RefMoved")
  /// when a ref is not what it must be, and what the checks say.
  ///
  /// `in_transaction` runs in the transaction of step 6: rows that must exist exactly when the ref
  /// moved. It is lost in a crash between 5 and 6, so it may only add what catch_up can do without,
  /// or what `pull_request` tells.
  struct Change {
    RefChange ref;
    ChangeKind kind = ChangeKind::kCommit;
    std::function<void(db::Tx&)> in_transaction = {};
    /// For refs/pr/N that a commit opens: stored in the pending row, so that a crash keeps it.
    std::string pull_request_json = {};
  };
  void apply(const Caller& caller, const Repo& repo, git::GitRepo& git, git::Quarantine* quarantine,
             Change change);

  /// Completes or drops what a crash left of this repository. Cheap when there is nothing.
  void catch_up(const Repo& repo);

  /// Ids of repositories with pending rows.
  std::vector<std::string> pending_repos();

  /// Makes the indexes of main again from git.
  void rebuild_index(const Repo& repo);

 private:
  HubContext context_;
  PathIndex& path_index_;
};

}  // namespace hearth::hub
