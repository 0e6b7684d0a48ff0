#include "hub/contents.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "db/db.h"
#include "git/git.h"
#include "hub/lfs_files_store.h"
#include "hub/limits.h"
#include "hub/path_index.h"
#include "hub/receive_store.h"
#include "hub/repositories.h"
#include "xet/xet.h"

namespace hearth::hub {
namespace {

git::Oid oid_of(const std::string& hex) {
  auto oid = git::Oid::parse(hex);
  if (!oid)
    throw Error(ErrorKind::kNotFound, "Invalid rev id: " + hex, {.code = "RevisionNotFound"});
  return *oid;
}

std::vector<Ref> refs_of(const std::vector<git::Ref>& refs) {
  std::vector<Ref> result;
  result.reserve(refs.size());
  for (const git::Ref& ref : refs) result.push_back({ref.name, ref.full_name, ref.commit.hex()});
  return result;
}

EntryType type_of(git::EntryType type) {
  switch (type) {
    case git::EntryType::kDirectory:
      return EntryType::kDirectory;
    case git::EntryType::kSubmodule:
      return EntryType::kSubmodule;
    case git::EntryType::kFile:
    case git::EntryType::kSymlink:
      return EntryType::kFile;
  }
  return EntryType::kFile;
}

TreeEntry entry_of(const git::TreeEntry& entry) {
  TreeEntry result;
  result.type = type_of(entry.type);
  result.path = entry.path;
  result.oid = entry.oid.hex();
  result.size_bytes = entry.size_bytes();
  if (entry.pointer) {
    result.large =
        LargeInfo{entry.pointer->sha256, entry.pointer->size_bytes, entry.blob_bytes, {}};
  }
  return result;
}

/// The names of a commit's people: the author, then "Co-authored-by: Name <…>" lines.
std::vector<std::string> users_of(const git::CommitInfo& info) {
  constexpr std::string_view kTrailer = "co-authored-by:";
  constexpr size_t kUsersMax = 20;
  std::vector<std::string> users = {info.author.name};
  for (std::string_view line : split(info.body, '\n')) {
    if (users.size() >= kUsersMax) break;
    if (!to_lower(line.substr(0, kTrailer.size())).starts_with(kTrailer)) continue;
    std::string_view name = line.substr(kTrailer.size());
    name = trim(name.substr(0, name.find('<')));
    if (!name.empty() && std::find(users.begin(), users.end(), name) == users.end()) {
      users.emplace_back(name);
    }
  }
  return users;
}

/// A page of a folder; the error for one that is not there names the revision as it was asked for.
git::TreePage require_tree(const git::GitRepo& git, const git::Oid& commit,
                           const std::string& folder, const git::TreeListOptions& options,
                           std::string_view revision_text) {
  try {
    return git.tree_list(commit, folder, options);
  } catch (const Error& error) {
    if (error.code() != "EntryNotFound") throw;
    throw Error(ErrorKind::kNotFound,
                folder + " does not exist on \"" + std::string(revision_text) + "\"",
                {.code = "EntryNotFound"});
  }
}

}  // namespace

Contents::Contents(HubContext context, Repositories& repositories, PathIndex& path_index)
    : context_(std::move(context)),
      repositories_(repositories),
      path_index_(path_index),
      plain_files_(context_.data_dir) {}

Revision Contents::resolve(const Repo& repo, std::string_view revision) {
  git::Revision found = repositories_.open_git(repo).require_revision(revision);
  return {found.commit.hex(), found.ref};
}

RefList Contents::refs(const Repo& repo) {
  git::RefList all = repositories_.open_git(repo).refs();
  RefList result;
  result.branches = refs_of(all.branches);
  result.tags = refs_of(all.tags);
  result.converts = refs_of(all.converts);
  result.pull_requests = refs_of(all.pull_requests);
  auto main = std::find_if(result.branches.begin(), result.branches.end(),
                           [](const Ref& ref) { return ref.name == "main"; });
  if (main != result.branches.end()) std::rotate(result.branches.begin(), main, main + 1);
  std::sort(result.pull_requests.begin(), result.pull_requests.end(),
            [](const Ref& a, const Ref& b) {
              return std::pair(a.name.size(), a.name) < std::pair(b.name.size(), b.name);
            });
  return result;
}

CommitPage Contents::commits(const Repo& repo, const Revision& revision,
                             const CommitsRequest& request) {
  uint64_t limit = std::clamp<uint64_t>(request.limit, 1, kCommitsPageMax);
  if (request.skip_count + limit > kHistoryMax) {
    throw Error(ErrorKind::kInvalid,
                "The history is shown as far as its first 100,000 commits; clone the repository "
                "to read on.");
  }
  git::GitRepo git = repositories_.open_git(repo);
  git::Oid start = oid_of(revision.commit_oid);
  git::LogOptions options;
  options.skip = request.skip_count;
  options.limit = limit + 1;
  CommitPage page;
  auto log = git.log(start, options);
  page.has_more = log.size() > limit;
  if (page.has_more) log.pop_back();
  for (const git::CommitInfo& info : log) {
    page.commits.push_back(
        {info.oid.hex(), info.title, info.body, users_of(info), info.committer.time_ms});
  }
  page.total_count = request.skip_count + page.commits.size();
  if (!page.has_more && (request.skip_count == 0 || !page.commits.empty())) return page;
  auto head = context_.database->read([&](db::Tx& tx) {
    return revision.ref.empty() ? std::optional<RefHead>()
                                : find_ref_head(tx, repo.id, revision.ref);
  });
  if (head && head->commit_oid == revision.commit_oid) {
    page.total_count = head->commit_count;
  } else {
    // Not a head that was counted when it moved: counted now, which costs about 10 us a commit.
    page.total_count = git.count_commits(start);
  }
  return page;
}

TreePage Contents::tree(const Repo& repo, const Revision& revision, const TreeRequest& request,
                        std::string_view revision_text) {
  std::string folder;
  if (!request.path.empty()) {
    folder = git::RepoPath::require(request.path, git::TrailingSlash::kDrop).text();
  }
  git::TreeListOptions options;
  options.recursive = request.recursive;
  options.limit =
      std::clamp<size_t>(request.limit, 1, request.expand ? kExpandedTreePageMax : kTreePageMax);
  if (!request.cursor.empty()) {
    auto bytes = from_base64url(request.cursor);
    auto path = bytes ? git::RepoPath::parse(as_text(*bytes)) : parse_error("");
    if (!path) throw Error(ErrorKind::kInvalid, "This cursor is not one that the hub gave out.");
    options.after = path->text();
  }
  git::GitRepo git = repositories_.open_git(repo);
  git::TreePage listed =
      require_tree(git, oid_of(revision.commit_oid), folder, options, revision_text);
  TreePage page;
  for (const git::TreeEntry& entry : listed.entries) page.entries.push_back(entry_of(entry));
  if (listed.more) page.next_cursor = to_base64url(as_bytes(listed.entries.back().path));
  add_xet_hashes(repo, page.entries);
  if (request.expand) add_last_commits(repo, git, revision, page.entries);
  return page;
}

std::vector<TreeEntry> Contents::paths_info(const Repo& repo, const Revision& revision,
                                            const std::vector<std::string>& paths,
                                            PathsInfoOptions options) {
  if (paths.size() > kPathsInfoMax) {
    throw Error(ErrorKind::kInvalid, "At most 1000 paths may be asked for at once.");
  }
  git::GitRepo git = repositories_.open_git(repo);
  git::Oid commit = oid_of(revision.commit_oid);
  std::vector<TreeEntry> entries;
  for (const std::string& text : paths) {
    // What cannot be a path is not there: clients ask about many and expect no error.
    auto path = git::RepoPath::parse(text, git::TrailingSlash::kDrop);
    if (!path) continue;
    if (auto entry = git.entry(commit, path->text())) entries.push_back(entry_of(*entry));
  }
  add_xet_hashes(repo, entries);
  if (options.expand) add_last_commits(repo, git, revision, entries);
  return entries;
}

std::vector<TreeEntry> Contents::files(const Repo& repo, const Revision& revision) {
  git::GitRepo git = repositories_.open_git(repo);
  std::vector<TreeEntry> entries;
  for (const git::TreeEntry& entry : git.all_files(oid_of(revision.commit_oid))) {
    entries.push_back(entry_of(entry));
  }
  add_xet_hashes(repo, entries);
  return entries;
}

std::optional<FileAnswer> Contents::find_file(const Repo& repo, const Revision& revision,
                                              std::string_view path, FileOptions options) {
  auto checked = git::RepoPath::parse(path);
  if (!checked) return std::nullopt;
  git::GitRepo git = repositories_.open_git(repo);
  auto entry = git.entry(oid_of(revision.commit_oid), checked->text());
  if (!entry || entry->type == git::EntryType::kDirectory ||
      entry->type == git::EntryType::kSubmodule) {
    return std::nullopt;
  }
  FileAnswer answer;
  answer.blob_oid = entry->oid.hex();
  answer.size_bytes = entry->blob_bytes;
  if (entry->pointer) {
    std::vector<TreeEntry> one = {entry_of(*entry)};
    add_xet_hashes(repo, one);
    answer.large = one.front().large;
    if (!options.raw) {
      // Also when somebody has sent it again since: only a commit by who may write brings it back.
      require_not_deleted(repo, *answer.large);
      if (!options.with_source && !context_.large_files->find(repo.id, answer.large->sha256)) {
        throw_large_missing(repo, *answer.large);
      }
      answer.size_bytes = entry->pointer->size_bytes;
      if (options.with_source) answer.source = open_large(repo, *answer.large);
      return answer;
    }
  }
  if (options.with_source) {
    answer.source = plain_files_.open(
        {.repo_id = repo.id, .blob_oid = answer.blob_oid, .size_bytes = entry->blob_bytes},
        [&] { return git.read_blob(entry->oid, kPlainBytesMax); });
  }
  return answer;
}

std::unique_ptr<blob::Source> Contents::open_large(const Repo& repo, const LargeInfo& large) {
  try {
    return context_.large_files->open_large(repo.id, large.sha256);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNotFound) throw;
    throw_large_missing(repo, large);
  }
}

void Contents::require_not_deleted(const Repo& repo, const LargeInfo& large) {
  bool deleted = context_.database->read(
      [&](db::Tx& tx) { return is_lfs_deletion(tx, repo.id, large.sha256); });
  if (!deleted) return;
  throw Error(ErrorKind::kNotFound, "This large file was permanently deleted from the repository.",
              {.code = "EntryNotFound"});
}

void Contents::throw_large_missing(const Repo& repo, const LargeInfo& large) {
  require_not_deleted(repo, large);  // It may have been, since.
  throw Error(ErrorKind::kCorrupt, "The content of this file is missing on this server.",
              {.detail = repo.id + " has a pointer to " + large.sha256});
}

std::optional<std::string> Contents::text(const Repo& repo, const Revision& revision,
                                          std::string_view path, uint64_t bytes_max) {
  auto checked = git::RepoPath::parse(path);
  if (!checked) return std::nullopt;
  return repositories_.open_git(repo).read_file_at(oid_of(revision.commit_oid), checked->text(),
                                                   bytes_max);
}

int64_t Contents::commit_time_ms(const Repo& repo, const std::string& commit_oid) {
  return repositories_.open_git(repo).commit_info(oid_of(commit_oid)).committer.time_ms;
}

uint64_t Contents::tree_size_bytes(const Repo& repo, const Revision& revision,
                                   std::string_view path, std::string_view revision_text) {
  constexpr size_t kPage = 10'000;
  git::GitRepo git = repositories_.open_git(repo);
  git::Oid commit = oid_of(revision.commit_oid);
  std::string folder;
  if (!path.empty()) {
    folder = git::RepoPath::require(path, git::TrailingSlash::kDrop).text();
    auto entry = git.entry(commit, folder);
    if (entry && entry->type == git::EntryType::kFile) return entry->size_bytes();
  }
  git::TreeListOptions page;
  page.recursive = true;
  page.limit = kPage;
  uint64_t sum = 0;
  while (true) {
    git::TreePage tree = require_tree(git, commit, folder, page, revision_text);
    for (const git::TreeEntry& entry : tree.entries) sum += entry.size_bytes();
    if (!tree.more) return sum;
    page.after = tree.entries.back().path;
  }
}

std::string Contents::diff(const Repo& repo, const std::string& a_oid, const std::string& b_oid,
                           DiffOptions options) {
  git::GitRepo git = repositories_.open_git(repo);
  git::Oid to = oid_of(b_oid);
  git::Oid from_tree;
  if (!a_oid.empty()) {
    git::Oid from = oid_of(a_oid);
    auto base = options.three_dots ? git.merge_base(from, to) : from;
    if (base) from_tree = git.tree_of(*base);
  }
  git::DiffText diff = git.diff_text(from_tree, git.tree_of(to), options.bytes_max);
  if (diff.truncated) diff.text += "\n(The rest of this diff is left out: it is too long.)\n";
  return diff.text;
}

void Contents::add_xet_hashes(const Repo& repo, std::vector<TreeEntry>& entries) {
  std::set<std::string> wanted;
  for (const TreeEntry& entry : entries) {
    if (entry.large) wanted.insert(entry.large->sha256);
  }
  if (wanted.empty()) return;
  auto objects = context_.large_files->find_many(repo.id, {wanted.begin(), wanted.end()});
  for (TreeEntry& entry : entries) {
    if (!entry.large) continue;
    auto at = objects.find(entry.large->sha256);
    if (at != objects.end() && at->second.file_hash) {
      entry.large->xet_hash = at->second.file_hash->text();
    }
  }
}

void Contents::add_last_commits(const Repo& repo, git::GitRepo& git, const Revision& revision,
                                std::vector<TreeEntry>& entries) {
  auto key = [](const TreeEntry& entry) {
    return entry.type == EntryType::kDirectory ? entry.path + "/" : entry.path;
  };
  std::vector<std::string> paths;
  paths.reserve(entries.size());
  for (const TreeEntry& entry : entries) paths.push_back(key(entry));
  auto found = path_index_.last_commits(repo, git, revision.commit_oid, paths);
  for (TreeEntry& entry : entries) {
    auto at = found.find(key(entry));
    if (at != found.end()) entry.last_commit = at->second;
  }
}

}  // namespace hearth::hub
