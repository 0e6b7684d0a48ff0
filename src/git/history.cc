// Commits, logs, differences and merges.

#include <algorithm>

#include <git2.h>

#include "base/text.h"
#include "git/object_writer.h"
#include "git/repository_state.h"
#include "git/signature_text.h"

namespace hearth::git {

using internal::check;
using internal::from_git;
using internal::Handle;
using internal::own;
using internal::require_commit;
using internal::to_git;
using internal::to_utf8;

namespace {

constexpr int64_t kLastSecond = 253'402'300'799;  // 9999-12-31T23:59:59Z

Signature to_signature(const git_signature* raw) {
  if (raw == nullptr) return {};
  return {.name = to_utf8(raw->name != nullptr ? raw->name : ""),
          .email = to_utf8(raw->email != nullptr ? raw->email : ""),
          // What a date can say: clients parse four digits of year.
          .time_ms = std::clamp<int64_t>(raw->when.time, 0, kLastSecond) * 1000,
          .offset_minutes = raw->when.offset};
}

/// The first paragraph as one line, and what follows it.
void split_message(CommitInfo& info) {
  std::string_view text = trim(info.message);
  size_t end = text.find("\n\n");
  for (std::string_view line : split(text.substr(0, end), '\n')) {
    line = trim(line);
    if (!info.title.empty() && !line.empty()) info.title += ' ';
    info.title += line;
  }
  if (end != std::string_view::npos) info.body = trim(text.substr(end));
}

CommitInfo to_info(const git_commit* commit) {
  CommitInfo info;
  info.oid = from_git(git_commit_id(commit));
  info.tree = from_git(git_commit_tree_id(commit));
  for (unsigned i = 0; i < git_commit_parentcount(commit); ++i) {
    info.parents.push_back(from_git(git_commit_parent_id(commit, i)));
  }
  info.author = to_signature(git_commit_author(commit));
  info.committer = to_signature(git_commit_committer(commit));
  const char* message = git_commit_message(commit);
  info.message = to_utf8(message != nullptr ? message : "");
  split_message(info);
  return info;
}

Handle<git_revwalk> start_walk(git_repository* repo, const Oid& start,
                               const std::vector<Oid>& hide) {
  require_commit(repo, start);
  auto walk = own<git_revwalk>("walk history",
                               [&](git_revwalk** out) { return git_revwalk_new(out, repo); });
  git_oid id = to_git(start);
  check(git_revwalk_push(walk.get(), &id), "walk history");
  for (const Oid& oid : hide) {
    id = to_git(oid);
    check(git_revwalk_hide(walk.get(), &id), "walk history");
  }
  return walk;
}

Handle<git_tree> tree_or_empty(git_repository* repo, const Oid& oid) {
  if (oid.is_zero() || oid == empty_tree_oid()) return nullptr;  // libgit2: null is the empty tree
  return internal::require_tree(repo, oid);
}

Handle<git_diff> diff_trees(git_repository* repo, const Oid& old_tree, const Oid& new_tree) {
  Handle<git_tree> a = tree_or_empty(repo, old_tree);
  Handle<git_tree> b = tree_or_empty(repo, new_tree);
  git_diff_options options;
  check(git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION), "diff");
  options.flags |= GIT_DIFF_INCLUDE_TYPECHANGE | GIT_DIFF_INDENT_HEURISTIC;
  options.max_size = 512 * 1024;  // larger files are shown as binary; a page cannot show them
  return own<git_diff>("compare trees", [&](git_diff** out) {
    return git_diff_tree_to_tree(out, repo, a.get(), b.get(), &options);
  });
}

}  // namespace

CommitInfo GitRepo::commit_info(const Oid& commit) const {
  return to_info(require_commit(state_->raw(), commit).get());
}

Oid GitRepo::tree_of(const Oid& commit) const {
  return from_git(git_commit_tree_id(require_commit(state_->raw(), commit).get()));
}

std::vector<CommitInfo> GitRepo::log(const Oid& start, const LogOptions& options) const {
  Handle<git_revwalk> walk = start_walk(state_->raw(), start, options.hide);
  // No sorting is git's own order, newest first; any other reads the whole history before the first
  // commit comes out.
  git_revwalk_sorting(walk.get(), GIT_SORT_NONE);
  if (options.first_parent_only) {
    check(git_revwalk_simplify_first_parent(walk.get()), "walk history");
  }
  std::vector<CommitInfo> commits;
  git_oid id;
  int code = 0;
  for (size_t index = 0; commits.size() < options.limit; ++index) {
    code = git_revwalk_next(&id, walk.get());
    if (code == GIT_ITEROVER) break;
    check(code, "walk history");
    if (index >= options.skip) commits.push_back(commit_info(from_git(&id)));
  }
  return commits;
}

size_t GitRepo::count_commits(const Oid& start, const std::vector<Oid>& hide) const {
  Handle<git_revwalk> walk = start_walk(state_->raw(), start, hide);
  git_oid id;
  size_t count = 0;
  int code = 0;
  while ((code = git_revwalk_next(&id, walk.get())) == 0) ++count;
  if (code != GIT_ITEROVER) check(code, "walk history");
  return count;
}

bool GitRepo::is_ancestor(const Oid& ancestor, const Oid& descendant) const {
  if (ancestor == descendant) return true;
  git_oid a = to_git(ancestor);
  git_oid b = to_git(descendant);
  int answer = git_graph_descendant_of(state_->raw(), &b, &a);
  check(answer, "compare commits");
  return answer == 1;
}

std::optional<Oid> GitRepo::merge_base(const Oid& a, const Oid& b) const {
  git_oid one = to_git(a);
  git_oid two = to_git(b);
  git_oid base;
  int code = git_merge_base(&base, state_->raw(), &one, &two);
  if (code == GIT_ENOTFOUND) return std::nullopt;
  check(code, "find a merge base");
  return from_git(&base);
}

DiffText GitRepo::diff_text(const Oid& old_tree, const Oid& new_tree, uint64_t bytes_max) const {
  DiffText out;
  if (old_tree == new_tree) return out;
  Handle<git_diff> diff = diff_trees(state_->raw(), old_tree, new_tree);
  for (size_t i = 0; i < git_diff_num_deltas(diff.get()); ++i) {
    if (out.text.size() >= bytes_max) {
      out.truncated = true;
      break;
    }
    auto patch = own<git_patch>(
        "make a patch", [&](git_patch** raw) { return git_patch_from_diff(raw, diff.get(), i); });
    if (!patch) continue;
    git_buf buffer = {};
    int code = git_patch_to_buf(&buffer, patch.get());
    std::string text(buffer.ptr != nullptr ? buffer.ptr : "", buffer.size);
    git_buf_dispose(&buffer);
    check(code, "make a patch");
    out.text += to_utf8(text);
  }
  if (out.text.size() > bytes_max) {
    size_t end = out.text.rfind('\n', bytes_max);
    out.text.resize(end == std::string::npos ? 0 : end + 1);
    if (out.text.size() > bytes_max) out.text.pop_back();
    out.truncated = true;
  }
  return out;
}

Merged GitRepo::merge_trees(const Oid& ours_commit, const Oid& theirs_commit) {
  HEARTH_ASSERT(!state_->quarantine_dir.empty(), "a merge writes into a quarantine");
  git_repository* repo = state_->raw();
  std::optional<Oid> base = merge_base(ours_commit, theirs_commit);
  Handle<git_tree> ancestor = base ? tree_or_empty(repo, tree_of(*base)) : nullptr;
  Handle<git_tree> ours = internal::require_tree(repo, tree_of(ours_commit));
  Handle<git_tree> theirs = internal::require_tree(repo, tree_of(theirs_commit));
  git_merge_options options;
  check(git_merge_options_init(&options, GIT_MERGE_OPTIONS_VERSION), "merge");
  // A renamed file that is also changed is a conflict for people to solve: guessing could join two
  // large files' pointers.
  options.flags &= ~static_cast<uint32_t>(GIT_MERGE_FIND_RENAMES);
  auto index = own<git_index>("merge", [&](git_index** out) {
    return git_merge_trees(out, repo, ancestor.get(), ours.get(), theirs.get(), &options);
  });
  Merged merged;
  if (git_index_has_conflicts(index.get()) != 0) {
    auto conflicts =
        own<git_index_conflict_iterator>("list conflicts", [&](git_index_conflict_iterator** out) {
          return git_index_conflict_iterator_new(out, index.get());
        });
    const git_index_entry *a = nullptr, *b = nullptr, *c = nullptr;
    int code = 0;
    while ((code = git_index_conflict_next(&a, &b, &c, conflicts.get())) == 0) {
      const git_index_entry* any = b != nullptr ? b : c != nullptr ? c : a;
      merged.conflict_paths.emplace_back(to_utf8(any->path));
    }
    if (code != GIT_ITEROVER) check(code, "list conflicts");
    return merged;
  }
  git_oid tree;
  check(git_index_write_tree_to(&tree, index.get(), repo), "write a merged tree");
  merged.tree = from_git(&tree);
  return merged;
}

Oid GitRepo::write_commit(const Oid& tree, const std::vector<Oid>& parents, const Signature& author,
                          const Signature& committer, std::string_view message) {
  HEARTH_ASSERT(!state_->quarantine_dir.empty(), "a commit is written into a quarantine");
  internal::ObjectWriter writer(state_->quarantine_dir);
  Oid oid =
      writer.write(internal::ObjectType::kCommit,
                   as_bytes(internal::commit_text(tree, parents, author, committer, message)));
  writer.finish();
  return oid;
}

}  // namespace hearth::git
