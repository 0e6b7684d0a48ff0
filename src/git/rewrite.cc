// History without some blobs. Trees and commits are taken as the bytes that they are, and only what
// names something else afterwards is written: a commit that never saw the blobs, nor has an
// ancestor that did, stays the one it was.

#include <unordered_map>

#include <git2.h>

#include "base/text.h"
#include "git/object_writer.h"
#include "git/repository_state.h"

namespace hearth::git {

using internal::check;
using internal::from_git;
using internal::Handle;
using internal::ObjectType;
using internal::own;
using internal::to_git;

namespace {

constexpr int kTagsInARowMax = 10;
constexpr size_t kOidBytes = 20;

[[noreturn]] void throw_damaged(const Oid& oid) {
  throw Error(ErrorKind::kCorrupt, "The repository's data is damaged on this server.",
              {.detail = "object " + oid.hex() + " cannot be read"});
}

struct Entry {
  std::string head;  // "100644 name" and a NUL
  Oid oid;
  bool is_tree = false;
};

/// The entries of a tree object: a mode, a name and NUL, and the raw id.
std::vector<Entry> entries_of(const Oid& tree, std::string_view content) {
  std::vector<Entry> entries;
  while (!content.empty()) {
    size_t nul = content.find('\0');
    if (nul == std::string_view::npos || content.size() < nul + 1 + kOidBytes) throw_damaged(tree);
    Entry entry;
    entry.head = content.substr(0, nul + 1);
    entry.is_tree = entry.head.starts_with("40000 ");
    git_oid id;
    check(git_oid_fromraw(&id, reinterpret_cast<const unsigned char*>(content.data()) + nul + 1),
          "read a tree");
    entry.oid = from_git(&id);
    entries.push_back(std::move(entry));
    content.remove_prefix(nul + 1 + kOidBytes);
  }
  return entries;
}

class Rewriter {
 public:
  Rewriter(git_repository* repo, const fs::path& objects_dir, const std::unordered_set<Oid>& blobs)
      : repo_(repo),
        odb_(own<git_odb>("open objects",
                          [&](git_odb** raw) { return git_repository_odb(raw, repo); })),
        writer_(objects_dir),
        blobs_(blobs) {}

  void rewrite_commits(const std::vector<Oid>& tips) {
    auto walk = own<git_revwalk>("walk history",
                                 [&](git_revwalk** raw) { return git_revwalk_new(raw, repo_); });
    git_revwalk_sorting(walk.get(), GIT_SORT_TOPOLOGICAL | GIT_SORT_REVERSE);
    for (const Oid& tip : tips) {
      git_oid id = to_git(tip);
      check(git_revwalk_push(walk.get(), &id), "walk history");
    }
    git_oid id;
    int code = 0;
    while ((code = git_revwalk_next(&id, walk.get())) == 0) rewrite_commit(from_git(&id));
    if (code != GIT_ITEROVER) check(code, "walk history");
  }

  /// What stands for a ref's target now: a commit, or an annotated tag that leads to one.
  Oid target_of(const Oid& target, int depth = 0) {
    auto known = commits_.find(target);
    if (known != commits_.end()) return known->second;
    std::string content = read(target, GIT_OBJECT_TAG);
    constexpr std::string_view kObject = "object ";
    auto tagged = Oid::parse(std::string_view(content).substr(0, 47).substr(kObject.size()));
    if (!content.starts_with(kObject) || !tagged || depth == kTagsInARowMax) throw_damaged(target);
    Oid now = target_of(*tagged, depth + 1);
    if (now == *tagged) return target;
    content.replace(kObject.size(), now.hex().size(), now.hex());
    // It was given for another text.
    size_t signature = content.find("\n-----BEGIN ");
    if (signature != std::string::npos) content.resize(signature + 1);
    return writer_.write(ObjectType::kTag, as_bytes(content));
  }

  void finish() { writer_.finish(); }

 private:
  /// A tree on its way through: its subtrees come first.
  struct Frame {
    Oid oid;
    std::vector<Entry> entries;
    size_t next = 0;
  };

  std::string read(const Oid& oid, git_object_t wanted) {
    git_oid id = to_git(oid);
    git_odb_object* raw = nullptr;
    int code = git_odb_read(&raw, odb_.get(), &id);
    if (code == GIT_ENOTFOUND) throw_damaged(oid);
    check(code, "read an object");
    Handle<git_odb_object> object(raw);
    if (git_odb_object_type(raw) != wanted) throw_damaged(oid);
    return {static_cast<const char*>(git_odb_object_data(raw)), git_odb_object_size(raw)};
  }

  Oid rewrite_tree(const Oid& top) {
    if (top == empty_tree_oid()) return top;
    std::vector<Frame> stack;
    auto enter = [&](const Oid& oid) {
      stack.push_back({oid, entries_of(oid, read(oid, GIT_OBJECT_TREE))});
    };
    if (!trees_.contains(top)) enter(top);
    while (!stack.empty()) {
      Frame& now = stack.back();
      if (now.next < now.entries.size()) {
        const Entry& entry = now.entries[now.next];
        if (entry.is_tree && entry.oid != empty_tree_oid() && !trees_.contains(entry.oid)) {
          enter(entry.oid);
          continue;  // and come back to this entry
        }
        ++now.next;
        continue;
      }
      trees_[now.oid] = put_together(now);
      stack.pop_back();
    }
    return trees_[top].value_or(empty_tree_oid());
  }

  /// Nothing: no entry is left.
  std::optional<Oid> put_together(const Frame& frame) {
    std::string content;
    bool changed = false;
    for (const Entry& entry : frame.entries) {
      Oid now = entry.oid;
      if (entry.is_tree && entry.oid != empty_tree_oid()) {
        const std::optional<Oid>& subtree = trees_.at(entry.oid);
        changed = changed || subtree != entry.oid;
        if (!subtree) continue;
        now = *subtree;
      } else if (!entry.is_tree && blobs_.contains(entry.oid)) {
        changed = true;
        continue;
      }
      git_oid id = to_git(now);
      content += entry.head;
      content.append(reinterpret_cast<const char*>(id.id), kOidBytes);
    }
    if (!changed) return frame.oid;
    if (content.empty()) return std::nullopt;
    return writer_.write(ObjectType::kTree, as_bytes(content));
  }

  void rewrite_commit(const Oid& oid) {
    std::string content = read(oid, GIT_OBJECT_COMMIT);
    size_t head_bytes = std::min(content.find("\n\n"), content.size());
    std::string head;
    bool changed = false;
    bool in_signature = false;
    for (std::string_view line : split(std::string_view(content).substr(0, head_bytes), '\n')) {
      std::string_view key = line.substr(0, line.find(' '));
      if (!key.empty()) in_signature = key == "gpgsig" || key == "gpgsig-sha256";
      // It was given for another text; a commit that stays the same is not written.
      if (in_signature) continue;
      if (key == "tree" || key == "parent") {
        auto named = Oid::parse(line.substr(key.size() + 1));
        if (!named) throw_damaged(oid);
        Oid now = key == "tree" ? rewrite_tree(*named) : commits_.at(*named);
        if (now == empty_tree_oid()) writer_.write(ObjectType::kTree, {});
        changed = changed || now != *named;
        head += std::string(key) + " " + now.hex() + "\n";
      } else {
        head += std::string(line) + "\n";
      }
    }
    if (!changed) {
      commits_[oid] = oid;
      return;
    }
    if (head_bytes < content.size()) head += content.substr(head_bytes + 1);
    commits_[oid] = writer_.write(ObjectType::kCommit, as_bytes(head));
  }

  git_repository* repo_;
  Handle<git_odb> odb_;
  internal::ObjectWriter writer_;
  const std::unordered_set<Oid>& blobs_;
  std::unordered_map<Oid, std::optional<Oid>> trees_;
  std::unordered_map<Oid, Oid> commits_;
};

}  // namespace

std::vector<RewrittenRef> GitRepo::rewrite_without(const std::unordered_set<Oid>& blobs) {
  HEARTH_ASSERT(!state_->quarantine_dir.empty(), "history is written into a quarantine");
  RefList all = refs();
  std::vector<Oid> tips;
  for (const auto* group : {&all.branches, &all.tags, &all.pull_requests, &all.converts}) {
    for (const Ref& ref : *group) tips.push_back(ref.commit);
  }
  Rewriter rewriter(state_->raw(), state_->quarantine_dir, blobs);
  rewriter.rewrite_commits(tips);
  std::vector<RewrittenRef> rewritten;
  for (const auto* group : {&all.branches, &all.tags, &all.pull_requests, &all.converts}) {
    for (const Ref& ref : *group) {
      Oid now = rewriter.target_of(ref.target);
      if (now != ref.target) rewritten.push_back({ref.full_name, ref.target, now});
    }
  }
  rewriter.finish();
  return rewritten;
}

}  // namespace hearth::git
