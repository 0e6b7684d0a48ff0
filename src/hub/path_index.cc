#include "hub/path_index.h"

#include <algorithm>
#include <unordered_map>
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

/// Of `wanted`, what differs between two trees, goes to `changed` and leaves `wanted`.
void take_changed(git::GitRepo& git, const git::Oid& old_tree, const git::Oid& new_tree,
                  Needed& wanted, Needed& changed) {
  auto take = [&](std::string_view path) {
    if (auto node = wanted.extract(std::string(path))) changed.insert(std::move(node));
  };
  for (const git::PathChange& change : git.diff_paths(old_tree, new_tree)) {
    if (wanted.empty()) return;
    take(change.path);
    each_parent(change.path, take);
  }
}

struct Walk {
  std::vector<git::Oid> hide = {};
  size_t commits_max = SIZE_MAX;
};

/// Walks from `start` back and notes for each needed path the commit that `git log -1 -- path`
/// names: at a merge a path follows the first parent that has it as it is, and is the merge's own
/// only when all parents differ. What was found leaves `needed`; the rest was changed by what is
/// hidden, or further back than the walk went.
void walk(git::GitRepo& git, const git::Oid& start, const Walk& options, Needed& needed,
          LastCommits& found) {
  std::unordered_map<git::Oid, Needed> waiting;
  size_t waiting_count = needed.size();
  waiting[start] = std::move(needed);
  needed.clear();
  size_t seen_count = 0;
  bool more = true;
  while (more && waiting_count > 0 && seen_count < options.commits_max) {
    git::LogOptions page;
    page.skip = seen_count;
    page.limit = std::min(kLogBatch, options.commits_max - seen_count);
    page.hide = options.hide;
    auto commits = git.log(start, page);
    for (const git::CommitInfo& commit : commits) {
      auto node = waiting.extract(commit.oid);
      if (!node) continue;
      Needed& paths = node.mapped();
      for (size_t i = 0; i < commit.parents.size() && !paths.empty(); ++i) {
        Needed changed;
        take_changed(git, git.tree_of(commit.parents[i]), commit.tree, paths, changed);
        // What is left is the same in this parent.
        if (!paths.empty()) {
          Needed& others = waiting[commit.parents[i]];
          if (others.empty()) {
            others = std::move(paths);
          } else {
            others.merge(paths);
          }
        }
        paths = std::move(changed);
      }
      waiting_count -= paths.size();
      LastCommit last{commit.oid.hex(), std::string(cut_utf8(commit.title, kTitleBytesMax)),
                      commit.committer.time_ms};
      for (const std::string& path : paths) found.insert_or_assign(path, last);
      if (waiting_count == 0) return;
    }
    seen_count += commits.size();
    more = commits.size() == page.limit;
  }
  for (auto& [oid, paths] : waiting) needed.merge(paths);
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

LastCommits PathIndex::last_commits(const Repo& repo, git::GitRepo& git,
                                    const std::string& commit_oid,
                                    const std::vector<std::string>& paths) {
  bool indexed = false;
  auto found = context_.database->read([&](db::Tx& tx) {
    indexed = indexed_commit(tx, repo.id) == commit_oid;
    return indexed ? path_rows(tx, repo.id, paths) : LastCommits{};
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
  // What changed and was changed back is not needed: its commit stays the older one, which is as
  // true.
  walk(git, to, {.hide = {from}}, needed, delta.changed);
  // A merge can bring back what a path was before `from`.
  if (!needed.empty()) walk(git, to, {}, needed, delta.changed);
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

std::optional<std::string> PathIndex::why_wrong(const std::string& repo_id, git::GitRepo& git,
                                                const std::string& commit_oid) {
  Delta wanted = work_out(git, "", commit_oid);
  std::vector<std::string> paths;
  for (const auto& [path, commit] : wanted.changed) paths.push_back(path);
  LastCommits rows;
  int64_t row_count = 0;
  context_.database->read([&](db::Tx& tx) {
    rows = path_rows(tx, repo_id, paths);
    row_count = count_path_rows(tx, repo_id);
  });
  for (const auto& [path, commit] : wanted.changed) {
    auto row = rows.find(path);
    if (row == rows.end()) return "its path index lacks '" + path + "'";
    if (row->second.oid != commit.oid) {
      return "its path index names commit " + row->second.oid + " for '" + path + "', git " +
             commit.oid;
    }
  }
  if (row_count != static_cast<int64_t>(paths.size())) {
    return "its path index has " + std::to_string(row_count) + " rows for " +
           std::to_string(paths.size()) + " paths";
  }
  return std::nullopt;
}

std::string PathIndex::indexed_commit(db::Tx& tx, const std::string& repo_id) {
  return indexed_commit_of(tx, repo_id);
}

}  // namespace hearth::hub
