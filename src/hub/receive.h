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

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "git/git.h"
#include "hub/caller.h"
#include "hub/context.h"
#include "hub/repo.h"

namespace hearth::hub {

class PathIndex;
struct PointerRow;
struct RefUpdateRow;

/// One ref to move. Empty oids: it is not there yet, or is to be deleted.
struct RefChange {
  std::string ref;      // Full: "refs/heads/main"
  std::string old_oid;  // What it must be now
  std::string new_oid;
};

/// Where a change comes from: events and the audit tell it.
enum class ChangeKind { kPush, kCommit, kBranch, kTag, kMerge, kCreate, kRewrite };

/// A pull request that a change opens.
struct OpenPullRequest {
  std::string title;
  std::string description = {};
  std::string base_ref;  // "refs/heads/main"
  std::string base_oid;  // Its head
  bool is_draft = false;
};

/// A pull request that a change merges.
struct MergePullRequest {
  int64_t num = 0;
  std::string comment = {};
};

/// A change of one ref. What shall happen with it is stored in its row before the ref moves, so
/// that it also happens after a crash.
struct Change {
  RefChange ref;  // With `open`, refs/pr/N: the name is given by apply
  ChangeKind kind = ChangeKind::kCommit;
  std::vector<git::NewBlob> blobs = {};  // What its commits bring, checked before anything moves
  std::optional<OpenPullRequest> open = {};
  std::optional<MergePullRequest> merge = {};
};

/// One writer of a repository in this process at a time; other processes meet at the
/// compare-and-swap. While anyone writes, in whichever process, no object of git is collected.
class RepoLock {
 public:
  bool owns_lock() const { return mine_.owns_lock(); }

 private:
  friend class Receive;
  std::unique_lock<std::timed_mutex> mine_;  // Among the threads of this process …
  Fd others_;                                // … and among processes; a crash lets go of it.
  git::ObjectsKept kept_;
};

/// Safe from any thread and process.
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

  /// Throws kUnavailable after 30 seconds.
  RepoLock lock(const Repo& repo);

  /// Moves one ref whose objects are in the repository or in `quarantine` (may be null). The caller
  /// has decided that it may be moved, and holds lock(repo).
  /// Throws kConflict with code "RefMoved" when the ref is not what it must be, and what
  /// check_content says. Returns the number of a pull request that it opened.
  std::optional<int64_t> apply(const RepoLock& held, const Actor& by, const Repo& repo,
                               git::GitRepo& git, git::Quarantine* quarantine, Change change);

  /// Checks what commits bring: no plain blob above 10 MiB, and of every pointer the object is this
  /// repository's. Throws kUnprocessable that lists the files.
  void check_content(const Repo& repo, const std::vector<git::NewBlob>& blobs);

  /// Completes or drops what a crash left of this repository. Cheap when there is nothing.
  void catch_up(const Repo& repo);
  /// The same for a caller that holds lock(repo). Of this process no row is under way then; another
  /// process's row may be taken for a left one: that process finds it done, or does it then.
  void finish_pending(const Repo& repo);

  /// Ids of repositories with pending rows.
  std::vector<std::string> pending_repos();

  /// Notes tags that are older than the table of tags (migration 0012). For the first backup.
  void note_tags(const Repo& repo);

  /// Makes everything that can be derived from git again: the indexes of main, the pointers of the
  /// whole history, and which large files the repository has.
  void rebuild_index(const Repo& repo);

 private:
  /// Step 6 for rows whose refs have moved.
  void settle(const Repo& repo, git::GitRepo& git, const std::vector<RefUpdateRow>& rows);
  /// Of the large files that were deleted for good, those that a merge brings to its branch:
  /// whoever merges wants them.
  std::vector<std::string> merged_back(const Repo& repo, const git::GitRepo& git,
                                       git::Quarantine* quarantine, const Change& change);
  /// These updates have not happened.
  void drop(const Repo& repo, const std::vector<std::string>& update_ids);
  /// settle(); when that fails (a full disk), the refs go back to where they were, as the caller
  /// will be told that the write failed.
  void settle_or_take_back(const Repo& repo, git::GitRepo& git,
                           const std::vector<RefUpdateRow>& rows);
  void take_back(const Repo& repo, git::GitRepo& git, const std::vector<RefUpdateRow>& rows);
  void take_back_or_log(const Repo& repo, git::GitRepo& git, const std::vector<RefUpdateRow>& rows);
  /// A line for the person who pushes when this command is not to be; empty when it may go on.
  /// Within the transaction that names them, with the row of the repository locked: what
  /// check_content saw may have been collected since. Throws kUnprocessable.
  void require_objects(db::Tx& tx, const Repo& repo, const std::vector<PointerRow>& pointers);
  std::string why_refused(const Caller& caller, const Repo& repo, git::GitRepo& git,
                          const git::PushCommand& command);

  HubContext context_;
  PathIndex& path_index_;
  /// By repository id; two may share one, which costs a wait at most.
  std::array<std::timed_mutex, 64> locks_;
};

}  // namespace hearth::hub
