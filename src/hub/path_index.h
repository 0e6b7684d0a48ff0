#pragma once
// For each path of main, file or folder, the commit that last changed it: what `tree?expand=true`
// shows without walking history.
//
// Derived from git: it remembers the commit it was made from, can be dropped, and is brought up
// again by PathIndex::update. Paths are stored with a trailing '/' for folders, so that byte order
// is git's order.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/db.h"
#include "hub/contents.h"
#include "hub/context.h"
#include "hub/repo.h"

namespace hearth::git {
class GitRepo;
}

namespace hearth::hub {

/// Safe from any thread.
class PathIndex {
 public:
  explicit PathIndex(HubContext context);

  /// Last commits of the paths (folders with a trailing '/') at `commit_oid`: from the index when
  /// it was made from that commit, else by a walk over at most kWalkCommitsMax commits. Paths that
  /// the walk did not reach are absent.
  static constexpr size_t kWalkCommitsMax = 2000;
  std::map<std::string, LastCommit, std::less<>> last_commits(
      const Repo& repo, git::GitRepo& git, const std::string& commit_oid,
      const std::vector<std::string>& paths);

  /// What an update of main changes in the index; worked out before the transaction.
  struct Delta {
    std::string from_oid;  // Where the index must stand; empty: there is none
    std::string to_oid;    // Empty: main is gone
    bool anew = false;     // What was there goes first
    std::map<std::string, LastCommit, std::less<>> changed;
    std::vector<std::string> removed;
  };
  Delta work_out(git::GitRepo& git, const std::string& from_oid, const std::string& to_oid);
  /// False: the index did not stand at `from_oid`; nothing was changed.
  static bool apply(db::Tx& tx, const std::string& repo_id, const Delta& delta);
  /// Whether the rows say what git says at `commit_oid`, from which they were made: a sentence if
  /// not.
  std::optional<std::string> why_wrong(const std::string& repo_id, git::GitRepo& git,
                                       const std::string& commit_oid);
  /// The commit that the index was made from; empty when there is none.
  static std::string indexed_commit(db::Tx& tx, const std::string& repo_id);

 private:
  HubContext context_;
};

}  // namespace hearth::hub
