#include "hub/commit_facts.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/log.h"

namespace hearth::hub {
namespace {

using Texts = std::map<std::string, std::string, std::less<>>;

constexpr size_t kEvalEntriesMax = 10'000;  // Looked at.

TalliedFiles tally_all(git::GitRepo& git, cards::RepoKind kind, const git::Oid& commit) {
  TalliedFiles files;
  for (const git::TreeEntry& entry : git.all_files(commit)) {
    files.tally.add(kind, entry.path);
    files.size_bytes += entry.size_bytes();
  }
  return files;
}

/// Nothing when `before` cannot be where the commit comes from.
std::optional<TalliedFiles> tally_changes(git::GitRepo& git, cards::RepoKind kind,
                                          const git::Oid& commit, const TalliedCommit& before) {
  auto from = git::Oid::parse(before.commit_oid);
  if (!from || !git.has_object(*from)) return std::nullopt;
  TalliedFiles files = before.files;
  uint64_t gone_bytes = 0;
  try {
    for (const git::PathChange& change : git.diff_paths(git.tree_of(*from), git.tree_of(commit))) {
      if (git::is_file_mode(change.new_mode)) {
        files.tally.add(kind, change.path);
        files.size_bytes += git.content_bytes(change.new_oid, change.new_mode);
      }
      if (git::is_file_mode(change.old_mode)) {
        if (!files.tally.remove(kind, change.path)) return std::nullopt;
        gone_bytes += git.content_bytes(change.old_oid, change.old_mode);
      }
    }
  } catch (const Error& error) {
    // What the older commit has lost is no matter of this one: a push may be what repairs it.
    log_info("commit {} is not compared with {}: {}", commit.hex(), before.commit_oid,
             error.what());
    return std::nullopt;
  }
  if (gone_bytes > files.size_bytes) return std::nullopt;
  files.size_bytes -= gone_bytes;
  return files;
}

TalliedFiles tally_files(git::GitRepo& git, cards::RepoKind kind, const git::Oid& commit,
                         const std::optional<TalliedCommit>& before) {
  if (before) {
    if (auto files = tally_changes(git, kind, commit, *before)) return std::move(*files);
    log_info("the files of commit {} are counted anew", commit.hex());
  }
  return tally_all(git, kind, commit);
}

void read_text(const git::GitRepo& git, const git::Oid& commit, const std::string& path,
               Texts& texts) {
  auto entry = git.entry(commit, path);
  if (!entry || entry->type != git::EntryType::kFile || entry->pointer) return;
  if (entry->blob_bytes > kFactsTextBytesMax) return;
  texts.emplace(path, git.read_blob(entry->oid, kFactsTextBytesMax));
}

std::vector<std::string> eval_files(const git::GitRepo& git, const git::Oid& commit) {
  git::TreeListOptions options;
  options.recursive = true;
  options.limit = kEvalEntriesMax;
  options.with_sizes = false;
  std::vector<std::string> paths;
  auto folder = git.entry(commit, ".eval_results");
  if (!folder || folder->type != git::EntryType::kDirectory) return paths;
  for (const git::TreeEntry& entry : git.tree_list(commit, folder->path, options).entries) {
    if (entry.type == git::EntryType::kFile && is_eval_file(entry.path)) {
      paths.push_back(entry.path);
    }
  }
  std::sort(paths.begin(), paths.end());
  if (paths.size() > kEvalFileCountMax) paths.resize(kEvalFileCountMax);
  return paths;
}

}  // namespace

RepoFacts facts_of_commit(git::GitRepo& git, RepoType type, const git::Oid& commit,
                          const std::optional<TalliedCommit>& before) {
  TalliedFiles files = tally_files(git, kind_of(type), commit, before);
  Texts texts;
  for (const std::string& path : facts_files(type)) read_text(git, commit, path, texts);
  if (files.tally.has("eval-results")) {
    for (const std::string& path : eval_files(git, commit)) read_text(git, commit, path, texts);
  }
  return derive_facts(type, commit.hex(), files, texts);
}

}  // namespace hearth::hub
