// What a receive brings, or all that is there: commits, blobs and paths; and whether nothing is
// missing.
//
// Trees are compared with those of their parents, so that only what changed is visited. All that
// the repository's refs reach is whole (it passed here once), so a walk that ends there, and finds
// every object on its way, proves the new history whole.

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include <git2.h>

#include "base/text.h"
#include "git/quarantine.h"
#include "git/repository_state.h"

namespace hearth::git {

using internal::check;
using internal::from_git;
using internal::Handle;
using internal::own;
using internal::to_git;

namespace {

constexpr size_t kBadPathsMax = 20;  // enough to show
// A tree may hold the same subtree many times on every level: a few objects that unfold into more
// paths than anyone can list. The largest public repositories have some hundred thousand files.
constexpr uint64_t kPathsMax = 2'000'000;

[[noreturn]] void throw_missing(std::string_view what, const Oid& oid) {
  throw Error(ErrorKind::kInvalid,
              "Objects are missing: " + std::string(what) + " " + oid.hex() + ".");
}

class Walker {
 public:
  Walker(git_repository* repo, NewObjects& out) : repo_(repo), out_(out) {
    odb_ =
        own<git_odb>("open objects", [&](git_odb** raw) { return git_repository_odb(raw, repo); });
  }

  void visit(const Oid& oid) {
    Handle<git_commit> commit = internal::find_commit(repo_, oid);
    if (!commit) throw_missing("commit", oid);
    std::vector<Oid> bases;
    for (unsigned i = 0; i < git_commit_parentcount(commit.get()); ++i) {
      Oid parent = from_git(git_commit_parent_id(commit.get(), i));
      Handle<git_commit> parent_commit = internal::find_commit(repo_, parent);
      if (!parent_commit) throw_missing("commit", parent);
      bases.push_back(from_git(git_commit_tree_id(parent_commit.get())));
    }
    Oid tree = from_git(git_commit_tree_id(commit.get()));
    visit_tree(tree, std::move(bases));
    if (count_paths(tree) > kPathsMax) {
      throw Error(ErrorKind::kInvalid,
                  "Commit " + oid.hex() + " has more than 2,000,000 files and folders.");
    }
  }

 private:
  struct Pending {
    Oid tree;
    std::vector<Oid> bases;  // trees at the same path in the parents
    std::string folder;
  };
  /// A tree whose paths are being counted.
  struct Counting {
    Oid oid;
    Handle<git_tree> tree;
    size_t next = 0;
    uint64_t paths = 0;
  };

  Handle<git_tree> find_tree(const Oid& oid) {
    git_oid id = to_git(oid);
    git_tree* raw = nullptr;
    int code = git_tree_lookup(&raw, repo_, &id);
    if (code == GIT_ENOTFOUND) throw_missing("tree", oid);
    check(code, "read a tree");
    return Handle<git_tree>(raw);
  }

  void visit_tree(const Oid& top, std::vector<Oid> top_bases) {
    std::vector<Pending> stack;
    stack.push_back({top, std::move(top_bases), ""});
    while (!stack.empty()) {
      Pending now = std::move(stack.back());
      stack.pop_back();
      bool unchanged = std::find(now.bases.begin(), now.bases.end(), now.tree) != now.bases.end();
      // The empty tree needs not be stored. A tree seen before has been visited under another
      // path: its own names are the same, and the path's beginning was looked at there or here.
      if (unchanged || now.tree == empty_tree_oid() || !seen_.insert(now.tree).second) continue;
      Handle<git_tree> tree = find_tree(now.tree);
      std::vector<Handle<git_tree>> bases;
      for (const Oid& base : now.bases) {
        if (base != empty_tree_oid()) bases.push_back(find_tree(base));
      }
      for (size_t i = 0; i < git_tree_entrycount(tree.get()); ++i) {
        visit_entry(git_tree_entry_byindex(tree.get(), i), bases, now.folder, stack);
      }
    }
  }

  /// Files and folders below a tree, each subtree read once; stops counting past the limit.
  uint64_t count_paths(const Oid& top) {
    if (top == empty_tree_oid()) return 0;
    std::vector<Counting> stack;
    auto enter = [&](const Oid& oid) { stack.push_back({oid, find_tree(oid), 0, 0}); };
    if (!counts_.contains(top)) enter(top);
    while (!stack.empty()) {
      Counting& now = stack.back();
      if (now.next == git_tree_entrycount(now.tree.get())) {
        counts_[now.oid] = now.paths;
        stack.pop_back();
        continue;
      }
      const git_tree_entry* entry = git_tree_entry_byindex(now.tree.get(), now.next);
      if (git_tree_entry_type(entry) == GIT_OBJECT_TREE) {
        Oid oid = from_git(git_tree_entry_id(entry));
        auto known = counts_.find(oid);
        if (known == counts_.end() && oid != empty_tree_oid()) {
          enter(oid);
          continue;  // and come back to this entry
        }
        if (known != counts_.end()) now.paths += known->second;
      }
      ++now.next;
      now.paths = std::min(now.paths + 1, kPathsMax + 1);
    }
    return counts_[top];
  }

  void visit_entry(const git_tree_entry* entry, const std::vector<Handle<git_tree>>& bases,
                   const std::string& folder, std::vector<Pending>& stack) {
    const char* name = git_tree_entry_name(entry);
    Oid oid = from_git(git_tree_entry_id(entry));
    bool is_tree = git_tree_entry_type(entry) == GIT_OBJECT_TREE;
    std::vector<Oid> base_trees;
    for (const Handle<git_tree>& base : bases) {
      const git_tree_entry* before = git_tree_entry_byname(base.get(), name);
      if (before == nullptr) continue;
      Oid before_oid = from_git(git_tree_entry_id(before));
      if (before_oid == oid) return;
      if (git_tree_entry_type(before) == GIT_OBJECT_TREE) base_trees.push_back(before_oid);
    }
    std::string path = folder + name;
    if (Parsed<RepoPath> parsed = RepoPath::parse(path); !parsed) {
      note_bad_path(path, parsed.error().message);
      // Too deep or too long: what is below is as bad, and could go on for ever.
      if (path.size() > kPathBytesMax) return;
    }
    if (is_tree) {
      stack.push_back({oid, std::move(base_trees), path + "/"});
    } else if (git_tree_entry_type(entry) == GIT_OBJECT_BLOB && seen_.insert(oid).second) {
      visit_blob(oid, std::move(path));
    }  // else a submodule: its commit lives elsewhere
  }

  void visit_blob(const Oid& oid, std::string path) {
    git_oid id = to_git(oid);
    size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    int code = git_odb_read_header(&size, &type, odb_.get(), &id);
    if (code == GIT_ENOTFOUND || (code == 0 && type != GIT_OBJECT_BLOB)) throw_missing("blob", oid);
    check(code, "read a blob's header");
    NewBlob blob{.path = std::move(path), .oid = oid, .blob_bytes = size, .pointer = std::nullopt};
    if (size <= kPointerBytesMax) {
      auto object = own<git_odb_object>(
          "read a blob", [&](git_odb_object** raw) { return git_odb_read(raw, odb_.get(), &id); });
      blob.pointer =
          LfsPointer::parse({static_cast<const char*>(git_odb_object_data(object.get())), size});
    }
    out_.blobs.push_back(std::move(blob));
  }

  void note_bad_path(const std::string& path, const std::string& why) {
    if (out_.bad_paths.size() >= kBadPathsMax) return;
    std::string shown;
    for (char c : internal::to_utf8(path)) shown += static_cast<uint8_t>(c) < 0x20 ? '?' : c;
    out_.bad_paths.push_back(std::string(cut_utf8(shown, 200)) + ": " + why);
  }

  git_repository* repo_;
  NewObjects& out_;
  Handle<git_odb> odb_;
  std::unordered_set<Oid> seen_;
  std::unordered_map<Oid, uint64_t> counts_;
};

/// The commit behind a tip: itself, or what a chain of annotated tags leads to.
Oid peel_tip(git_repository* repo, const Oid& tip) {
  git_oid id = to_git(tip);
  git_object* raw = nullptr;
  int code = git_object_lookup(&raw, repo, &id, GIT_OBJECT_ANY);
  if (code == GIT_ENOTFOUND) throw_missing("object", tip);
  check(code, "read an object");
  Handle<git_object> object(raw);
  git_object* peeled = nullptr;
  code = git_object_peel(&peeled, raw, GIT_OBJECT_COMMIT);
  if (code < 0) {
    throw Error(ErrorKind::kInvalid,
                "Object " + tip.hex() + " is neither a commit nor a tag of one.");
  }
  Handle<git_object> owned(peeled);
  return from_git(git_object_id(peeled));
}

/// What `tips` reach and `known` do not.
NewObjects reached_from(git_repository* repo, const std::vector<Oid>& tips,
                        const std::unordered_set<Oid>& known) {
  NewObjects out;
  auto walk = own<git_revwalk>("walk history",
                               [&](git_revwalk** raw) { return git_revwalk_new(raw, repo); });
  git_revwalk_sorting(walk.get(), GIT_SORT_TOPOLOGICAL | GIT_SORT_TIME);
  for (const Oid& oid : known) {
    git_oid id = to_git(oid);
    check(git_revwalk_hide(walk.get(), &id), "walk history");
  }
  for (const Oid& tip : tips) {
    git_oid id = to_git(peel_tip(repo, tip));
    check(git_revwalk_push(walk.get(), &id), "walk history");
  }
  Walker walker(repo, out);
  git_oid id;
  int code = 0;
  while ((code = git_revwalk_next(&id, walk.get())) == 0) out.commits.push_back(from_git(&id));
  if (code == GIT_ENOTFOUND) {
    throw Error(ErrorKind::kInvalid, "Objects are missing: a parent commit.");
  }
  if (code != GIT_ITEROVER) check(code, "walk history");
  // Parents first: what a commit has in common with its parents is left out, so that must have been
  // reported by then. In the other order, of A, B, A again nobody would report what A and B share.
  for (auto commit = out.commits.rbegin(); commit != out.commits.rend(); ++commit) {
    walker.visit(*commit);
  }
  return out;
}

std::unordered_set<Oid> ref_commits(const RefList& refs) {
  std::unordered_set<Oid> commits;
  for (const auto* group : {&refs.branches, &refs.tags, &refs.pull_requests, &refs.converts}) {
    for (const Ref& ref : *group) commits.insert(ref.commit);
  }
  return commits;
}

std::vector<NewBlob> pointers_of(NewObjects objects) {
  std::erase_if(objects.blobs, [](const NewBlob& blob) { return !blob.pointer; });
  return std::move(objects.blobs);
}

}  // namespace

NewObjects GitRepo::new_objects(const std::vector<Oid>& tips) const {
  return reached_from(state_->raw(), tips, ref_commits(refs()));
}

std::vector<NewBlob> GitRepo::all_pointers() const {
  return all_pointers(refs());
}

std::vector<NewBlob> GitRepo::all_pointers(const RefList& refs) const {
  std::unordered_set<Oid> tips = ref_commits(refs);
  return pointers_of(reached_from(state_->raw(), {tips.begin(), tips.end()}, {}));
}

std::vector<RefPointers> GitRepo::pointers_by_ref() const {
  RefList all = refs();
  std::ranges::stable_partition(all.branches, [](const Ref& ref) { return ref.name == "main"; });
  std::vector<RefPointers> found;
  std::unordered_set<Oid> known;
  for (const auto* group : {&all.branches, &all.tags, &all.converts, &all.pull_requests}) {
    for (const Ref& ref : *group) {
      if (known.contains(ref.commit)) continue;
      auto blobs = pointers_of(reached_from(state_->raw(), {ref.commit}, known));
      if (!blobs.empty()) found.push_back({ref.full_name, std::move(blobs)});
      known.insert(ref.commit);
    }
  }
  return found;
}

}  // namespace hearth::git
