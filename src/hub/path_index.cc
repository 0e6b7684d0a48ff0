#include "hub/path_index.h"

#include <algorithm>
#include <unordered_set>

#include "base/text.h"
#include "git/git.h"
#include "hub/path_index_store.h"

namespace hearth::hub {
namespace {

using Needed = std::unordered_set<std::string>;

constexpr size_t kLogBatch = 500;
constexpr size_t kTreePage = 10'000;
constexpr size_t kTitleBytesMax = 500;  // Of a title that is stored with each path.

/// "a/" and "a/b/" of "a/b/c".
template <typename Fn>
void each_parent(std::string_view path, Fn&& fn) {
  for (size_t slash = path.find('/'); slash != std::string_view::npos && slash + 1 < path.size();
       slash = path.find('/', slash + 1)) {
    fn(path.substr(0, slash + 1));
  }
}

/// The files that a commit changed against all of its parents; what a merge only took over from one
/// side was changed by a commit of that side.
std::vector<std::string> changed_files(git::GitRepo& git, const git::CommitInfo& commit) {
  if (commit.parents.empty()) {
    std::vector<std::string> paths;
    for (auto& change : git.diff_paths(git::Oid{}, commit.tree))
      paths.push_back(std::move(change.path));
    return paths;
  }
  std::vector<std::string> common;
  bool first = true;
  for (const git::Oid& parent : commit.parents) {
    std::vector<std::string> paths;
    for (auto& change : git.diff_paths(git.tree_of(parent), commit.tree))
      paths.push_back(std::move(change.path));
    std::sort(paths.begin(), paths.end());
    if (first) {
      common = std::move(paths);
      first = false;
      continue;
    }
    std::vector<std::string> both;
    std::set_intersection(common.begin(), common.end(), paths.begin(), paths.end(),
                          std::back_inserter(both));
    common = std::move(both);
  }
  return common;
}

/// Walks from `start` back and notes for each needed path the newest commit that changed it. Found
/// paths leave `needed`.
struct Walk {
  std::vector<git::Oid> hide = {};
  size_t commits_max = SIZE_MAX;
};
void walk(git::GitRepo& git, const git::Oid& start, const Walk& options, Needed& needed,
          std::map<std::string, LastCommit, std::less<>>& found) {
  size_t seen_count = 0;
  while (!needed.empty() && seen_count < options.commits_max) {
    git::LogOptions page;
    page.skip = seen_count;
    page.limit = std::min(kLogBatch, options.commits_max - seen_count);
    page.hide = options.hide;
    auto commits = git.log(start, page);
    for (const git::CommitInfo& commit : commits) {
      LastCommit last{commit.oid.hex(), std::string(cut_utf8(commit.title, kTitleBytesMax)),
                      commit.committer.time_ms};
      auto note = [&](std::string_view path) {
        auto at = needed.find(std::string(path));
        if (at == needed.end()) return;
        found.emplace(*at, last);
        needed.erase(at);
      };
      for (const std::string& path : changed_files(git, commit)) {
        note(path);
        each_parent(path, note);
      }
      if (needed.empty()) return;
    }
    seen_count += commits.size();
    if (commits.size() < page.limit) return;
  }
}

/// Every path of a commit, folders with a trailing '/'.
Needed all_paths(git::GitRepo& git, const git::Oid& commit) {
  Needed paths;
  git::TreeListOptions page;
  page.recursive = true;
  page.limit = kTreePage;
  page.with_sizes = false;
  page.with_pointers = false;
  while (true) {
    git::TreePage tree = git.tree_list(commit, "", page);
    for (const git::TreeEntry& entry : tree.entries) {
      paths.insert(entry.type == git::EntryType::kDirectory ? entry.path + "/" : entry.path);
    }
    if (!tree.more) return paths;
    page.after = tree.entries.back().path;
  }
}

git::Oid oid_of(const std::string& hex) {
  auto oid = git::Oid::parse(hex);
  HEARTH_ASSERT(oid.has_value(), "object ids in the index are 40 hex digits");
  return *oid;
}

}  // namespace

PathIndex::PathIndex(HubContext context) : context_(std::move(context)) {}

std::map<std::string, LastCommit, std::less<>> PathIndex::last_commits(
    const Repo& repo, git::GitRepo& git, const std::string& commit_oid,
    const std::vector<std::string>& paths) {
  bool indexed = false;
  auto found = context_.database->read([&](db::Tx& tx) {
    indexed = indexed_commit(tx, repo.id) == commit_oid;
    return indexed ? path_rows(tx, repo.id, paths)
                   : std::map<std::string, LastCommit, std::less<>>{};
  });
  if (indexed) return found;
  Needed needed(paths.begin(), paths.end());
  walk(git, oid_of(commit_oid), {.commits_max = kWalkCommitsMax}, needed, found);
  return found;
}

PathIndex::Delta PathIndex::work_out(git::GitRepo& git, const std::string& from_oid,
                                     const std::string& to_oid) {
  Delta delta;
  delta.from_oid = from_oid;
  delta.to_oid = to_oid;
  if (to_oid.empty()) {
    delta.anew = true;
    return delta;
  }
  git::Oid to = oid_of(to_oid);
  git::Oid from = from_oid.empty() ? git::Oid{} : oid_of(from_oid);
  // A rewritten history says something else about every path.
  delta.anew = from.is_zero() || !git.has_object(from) || !git.is_ancestor(from, to);
  if (delta.anew) {
    Needed needed = all_paths(git, to);
    walk(git, to, {}, needed, delta.changed);
    return delta;
  }
  Needed needed;
  std::map<std::string, bool, std::less<>> folder_exists;
  auto exists = [&](std::string_view folder) {
    auto at = folder_exists.find(folder);
    if (at == folder_exists.end()) {
      auto entry = git.entry(to, folder.substr(0, folder.size() - 1));
      bool there = entry && entry->type == git::EntryType::kDirectory;
      at = folder_exists.emplace(std::string(folder), there).first;
    }
    return at->second;
  };
  for (const git::PathChange& change : git.diff_paths(git.tree_of(from), git.tree_of(to))) {
    if (change.kind == git::ChangeKind::kDeleted) {
      delta.removed.push_back(change.path);
    } else {
      needed.insert(change.path);
    }
    each_parent(change.path, [&](std::string_view folder) {
      if (exists(folder)) needed.insert(std::string(folder));
    });
  }
  for (const auto& [folder, there] : folder_exists) {
    if (!there) delta.removed.push_back(folder);
  }
  // What changed and was changed back, is not needed: its commit stays the older one, which is as
  // true. Every needed path was changed by some commit that `from` does not reach.
  walk(git, to, {.hide = {from}}, needed, delta.changed);
  return delta;
}

bool PathIndex::apply(db::Tx& tx, const std::string& repo_id, const Delta& delta) {
  if (indexed_commit(tx, repo_id) != delta.from_oid) return false;
  if (delta.anew) delete_path_rows(tx, repo_id);
  delete_path_rows(tx, repo_id, delta.removed);
  upsert_path_rows(tx, repo_id, delta.changed);
  set_indexed_commit(tx, repo_id, delta.to_oid);
  return true;
}

std::string PathIndex::indexed_commit(db::Tx& tx, const std::string& repo_id) {
  return indexed_commit_of(tx, repo_id);
}

}  // namespace hearth::hub
