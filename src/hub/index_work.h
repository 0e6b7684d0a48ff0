#pragma once
// What the database shall know about refs that moved: worked out from git before a transaction,
// written inside of it. For hub/receive, and for the first commit of a new repository.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "git/git.h"
#include "hub/commit_facts.h"
#include "hub/context.h"
#include "hub/facts.h"
#include "hub/path_index.h"
#include "hub/receive_store.h"
#include "hub/repo.h"
#include "hub/tasks.h"

namespace hearth::hub {

/// Where the database stood when the work was worked out.
struct IndexSeen {
  std::string head_oid;     // repo.head_oid
  std::string indexed_oid;  // Of the path index
  std::map<std::string, RefHead> heads;
  std::map<std::string, std::string> tags = {};
  std::optional<TalliedCommit> files = {};  // Of the stored facts, if they are counted
};

struct IndexWork {
  IndexSeen seen;
  bool main_moved = false;
  PathIndex::Delta paths;
  RepoFacts facts;
  std::map<std::string, std::optional<RefHead>> heads;  // Nothing: the ref is gone
  std::map<std::string, std::optional<std::string>> tags;
  /// New commits of refs/pr/N, oldest first, by row.
  std::map<std::string, std::vector<CommitEntry>> commits;
};

/// `rebuild` makes everything about every ref anew, also where it seems right.
struct IndexWorkOptions {
  bool rebuild = false;
};
IndexWork work_out_index(PathIndex& path_index, const Repo& repo, IndexSeen seen, git::GitRepo& git,
                         const std::vector<RefUpdateRow>& rows, IndexWorkOptions options = {});

/// Writes the work and ends the rows: heads, indexes of main, pull requests, audit, the event.
/// False: the database has moved on since; nothing was written, work it out again.
bool record_index_work(db::Tx& tx, const HubContext& context, const Repo& repo,
                       const std::vector<RefUpdateRow>& rows, const IndexWork& work);

/// "repo.content": what a change of content leaves to do, whatever it was.
NewTask content_task(const std::string& repo_id);
/// Those of the blobs that stand for large files.
std::vector<PointerRow> pointer_rows(const std::vector<git::NewBlob>& blobs);
std::vector<std::string> sha256s_of(const std::vector<PointerRow>& pointers);

/// What git alone says of every ref but tags: its commit and how many it reaches.
std::map<std::string, RefHead> heads_of_git(git::GitRepo& git, const git::RefList& refs);

}  // namespace hearth::hub
