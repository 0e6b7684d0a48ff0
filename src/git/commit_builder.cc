// A tree is edited in memory: a folder is read when an operation first touches it, and only touched
// folders are written again.

#include "git/commit_builder.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <unordered_map>

#include <git2.h>

#include "base/text.h"
#include "git/object_writer.h"
#include "git/repository_state.h"
#include "git/signature_text.h"

namespace hearth::git {

using internal::from_git;
using internal::Handle;
using internal::ObjectType;
using internal::to_git;

namespace {

constexpr uint32_t kFileMode = 0100644;
constexpr uint32_t kFolderMode = 040000;

struct Folder;

/// A name in a folder.
struct Node {
  uint32_t mode = 0;
  Oid oid;                         // of a folder: as it was read; stale once `folder` is changed
  std::unique_ptr<Folder> folder;  // set once the folder has been touched

  bool is_folder() const { return mode == kFolderMode; }
};

struct Folder {
  std::map<std::string, Node, std::less<>> nodes;
  bool changed = false;
};

[[noreturn]] void throw_not_there(const RepoPath& path) {
  throw Error(ErrorKind::kNotFound, "A file with this name doesn't exist: " + path.text(),
              {.code = "EntryNotFound"});
}

[[noreturn]] void throw_in_the_way(std::string_view path, std::string_view what) {
  throw Error(ErrorKind::kUnprocessable,
              "'" + std::string(path) + "' is a " + std::string(what) + " already.");
}

}  // namespace

struct CommitBuilder::State {
  State(fs::path dir, std::optional<Oid> parent_commit)
      : repo_dir(std::move(dir)),
        quarantine(std::in_place, repo_dir),
        repo(GitRepo::open_with(repo_dir, *quarantine)),
        writer(quarantine->dir()) {
    start(parent_commit);
  }

  void start(std::optional<Oid> parent_commit) {
    parent_tree = parent_commit ? repo.tree_of(*parent_commit) : empty_tree_oid();
    reset(parent_tree);
    put.clear();
    built = false;
  }

  /// A fresh quarantine; what the old one held is in the repository by now.
  void renew() {
    quarantine.emplace(repo_dir);
    repo = GitRepo::open_with(repo_dir, *quarantine);
    writer = internal::ObjectWriter(quarantine->dir());
  }

  void reset(const Oid& tree) {
    root = read_folder(tree);
    root->changed = false;
    root_oid = tree;
  }

  std::unique_ptr<Folder> read_folder(const Oid& oid) const {
    auto folder = std::make_unique<Folder>();
    if (oid == empty_tree_oid()) return folder;
    Handle<git_tree> tree = internal::require_tree(repo.state_->raw(), oid);
    for (size_t i = 0; i < git_tree_entrycount(tree.get()); ++i) {
      const git_tree_entry* entry = git_tree_entry_byindex(tree.get(), i);
      Node node;
      node.mode = internal::mode_of(entry);
      node.oid = from_git(git_tree_entry_id(entry));
      folder->nodes.emplace_hint(folder->nodes.end(), git_tree_entry_name(entry), std::move(node));
    }
    return folder;
  }

  Folder& open(Node& node) const {
    if (!node.folder) node.folder = read_folder(node.oid);
    return *node.folder;
  }

  /// The node at a path, or null.
  Node* find(std::string_view path) const {
    Folder* folder = root.get();
    Node* node = nullptr;
    for (std::string_view segment : split(path, '/')) {
      if (folder == nullptr) return nullptr;
      auto found = folder->nodes.find(segment);
      if (found == folder->nodes.end()) return nullptr;
      node = &found->second;
      folder = node->is_folder() ? &open(*node) : nullptr;
    }
    return node;
  }

  /// Puts a node at a path and makes the folders above it.
  void put_node(const RepoPath& path, Node node) {
    std::string_view rest = path.text();
    Folder* folder = root.get();
    while (true) {
      folder->changed = true;
      size_t end = rest.find('/');
      std::string_view segment = rest.substr(0, end);
      auto found = folder->nodes.find(segment);
      if (end == std::string_view::npos) {
        bool was_there = found != folder->nodes.end();
        if (was_there && found->second.is_folder() != node.is_folder()) {
          throw_in_the_way(path.text(), node.is_folder() ? "file" : "folder");
        }
        // A script stays executable when its content changes.
        if (was_there && node.mode == kFileMode && found->second.mode == kExecutableMode) {
          node.mode = kExecutableMode;
        }
        folder->nodes.insert_or_assign(std::string(segment), std::move(node));
        return;
      }
      if (found == folder->nodes.end()) {
        Node fresh;
        fresh.mode = kFolderMode;
        fresh.oid = empty_tree_oid();
        found = folder->nodes.emplace(std::string(segment), std::move(fresh)).first;
      } else if (!found->second.is_folder()) {
        size_t length = path.text().size() - rest.size() + segment.size();
        throw_in_the_way(std::string_view(path.text()).substr(0, length), "file");
      }
      folder = &open(found->second);
      rest.remove_prefix(end + 1);
    }
  }

  /// Takes out a node that is there.
  void erase(const RepoPath& path) {
    std::string_view rest = path.text();
    Folder* folder = root.get();
    while (true) {
      folder->changed = true;
      size_t end = rest.find('/');
      auto found = folder->nodes.find(rest.substr(0, end));
      HEARTH_ASSERT(found != folder->nodes.end(), "the caller has found the path");
      if (end == std::string_view::npos) {
        folder->nodes.erase(found);
        return;
      }
      folder = &open(found->second);
      rest.remove_prefix(end + 1);
    }
  }

  /// Writes changed folders, the deepest first, and drops empty ones.
  Oid write_tree(Folder& top) {
    struct Frame {
      Folder* folder;
      std::map<std::string, Node, std::less<>>::iterator next;
      Node* node;  // in its parent; null for the top
    };
    std::vector<Frame> stack = {{&top, top.nodes.begin(), nullptr}};
    Oid result;
    while (!stack.empty()) {
      Frame& frame = stack.back();
      if (frame.next != frame.folder->nodes.end()) {
        Node& node = frame.next->second;
        ++frame.next;
        if (node.folder && node.folder->changed) {
          stack.push_back({node.folder.get(), node.folder->nodes.begin(), &node});
        }
        continue;
      }
      result = write_folder(*frame.folder);
      if (frame.node != nullptr) frame.node->oid = result;
      frame.folder->changed = false;
      stack.pop_back();
    }
    return result;
  }

  Oid write_folder(Folder& folder) {
    std::erase_if(folder.nodes, [](const auto& item) {
      return item.second.is_folder() && item.second.oid == empty_tree_oid();
    });
    // A folder sorts as if its name ended in '/', which the map's order does not know.
    std::map<std::string, const Node*> sorted;
    for (const auto& [name, node] : folder.nodes) {
      sorted.emplace(node.is_folder() ? name + "/" : name, &node);
    }
    std::string content;
    for (const auto& [key, node] : sorted) {
      char mode[16];
      int length = std::snprintf(mode, sizeof mode, "%o ", node->mode);
      content.append(mode, static_cast<size_t>(length));
      content += node->is_folder() ? std::string_view(key).substr(0, key.size() - 1) : key;
      content += '\0';
      content += as_text(node->oid.bytes);
    }
    return writer.write(ObjectType::kTree, as_bytes(content));
  }

  Oid stage(ByteView content, std::optional<LfsPointer> pointer) {
    Oid oid = internal::hash_object(ObjectType::kBlob, content);
    if (staged.contains(oid)) return oid;
    writer.write(ObjectType::kBlob, content);
    staged.emplace(
        oid,
        NewBlob{
            .path = {}, .oid = oid, .blob_bytes = content.size(), .pointer = std::move(pointer)});
    return oid;
  }

  void put_file(const RepoPath& path, const Oid& oid) {
    HEARTH_ASSERT(staged.contains(oid), "only staged blobs are put");
    Node node;
    node.mode = kFileMode;
    node.oid = oid;
    put_node(path, std::move(node));
    put.emplace(oid, path.text());
  }

  fs::path repo_dir;
  std::optional<Quarantine> quarantine;
  GitRepo repo;
  internal::ObjectWriter writer;
  Oid parent_tree;
  Oid root_oid;
  std::unique_ptr<Folder> root;
  std::unordered_map<Oid, NewBlob> staged;   // all that were written; paths are in `put`
  std::unordered_map<Oid, std::string> put;  // of those with a path: one of them
  bool built = false;
};

CommitBuilder::CommitBuilder(const fs::path& repo_dir, std::optional<Oid> parent)
    : state_(std::make_unique<State>(repo_dir, parent)) {}
CommitBuilder::CommitBuilder(CommitBuilder&&) noexcept = default;
CommitBuilder::~CommitBuilder() = default;

Oid CommitBuilder::stage_blob(ByteView content) {
  if (content.size() > kRegularBlobBytesMax) {
    throw Error(ErrorKind::kTooLarge,
                "A file is larger than 10 MiB. Files of that size must be uploaded as LFS or Xet "
                "files.");
  }
  std::optional<LfsPointer> pointer;
  if (content.size() <= kPointerBytesMax) pointer = LfsPointer::parse(as_text(content));
  return state_->stage(content, std::move(pointer));
}

void CommitBuilder::put_staged(const RepoPath& path, const Oid& blob) {
  state_->put_file(path, blob);
}

void CommitBuilder::make_executable(const RepoPath& path) {
  Node* node = state_->find(path.text());
  if (node != nullptr && node->mode == kFileMode) node->mode = kExecutableMode;
}

void CommitBuilder::restart(std::optional<Oid> parent) {
  if (state_->quarantine->is_migrated()) state_->renew();
  state_->start(parent);
}

Oid CommitBuilder::put_blob(const RepoPath& path, ByteView content) {
  Oid oid = stage_blob(content);
  state_->put_file(path, oid);
  return oid;
}

Oid CommitBuilder::put_pointer(const RepoPath& path, const LfsPointer& pointer) {
  return put_blob(path, as_bytes(pointer.format()));
}

void CommitBuilder::remove(const RepoPath& path) {
  if (state_->find(path.text()) == nullptr) throw_not_there(path);
  state_->erase(path);
}

void CommitBuilder::remove_folder(const RepoPath& path) {
  Node* node = state_->find(path.text());
  if (node == nullptr || !node->is_folder()) throw_not_there(path);
  state_->erase(path);
}

void CommitBuilder::copy(const RepoPath& from, const RepoPath& to,
                         std::optional<Oid> source_commit) {
  Node copied;
  if (source_commit) {
    std::optional<TreeEntry> entry = state_->repo.entry(*source_commit, from.text());
    if (!entry) throw_not_there(from);
    copied.mode = entry->mode;
    copied.oid = entry->oid;
  } else {
    Node* node = state_->find(from.text());
    if (node == nullptr) throw_not_there(from);
    copied.mode = node->mode;
    // What was changed below the folder becomes part of its oid; the top stays to be written.
    copied.oid =
        node->folder && node->folder->changed ? state_->write_tree(*node->folder) : node->oid;
  }
  state_->put_node(to, std::move(copied));
}

void CommitBuilder::use_tree(const Oid& tree) {
  state_->reset(tree);
}

std::optional<TreeEntry> CommitBuilder::entry(const RepoPath& path) const {
  Node* node = state_->find(path.text());
  if (node == nullptr) return std::nullopt;
  TreeEntry entry;
  entry.path = path.text();
  entry.mode = node->mode;
  entry.oid = node->oid;
  entry.type = node->is_folder()       ? EntryType::kDirectory
               : node->mode == 0120000 ? EntryType::kSymlink
               : node->mode == 0160000 ? EntryType::kSubmodule
                                       : EntryType::kFile;
  if (entry.type != EntryType::kFile && entry.type != EntryType::kSymlink) return entry;
  if (auto found = state_->staged.find(node->oid); found != state_->staged.end()) {
    entry.blob_bytes = found->second.blob_bytes;
    entry.pointer = found->second.pointer;
  } else {
    entry.blob_bytes = state_->repo.blob_size_bytes(node->oid);
    entry.pointer = state_->repo.read_pointer(node->oid);
  }
  return entry;
}

Built CommitBuilder::build(const Commit& commit) {
  HEARTH_ASSERT(!state_->built, "a commit is built once, or once after a restart");
  state_->built = true;
  Built built;
  built.tree = state_->root->changed ? state_->write_tree(*state_->root) : state_->root_oid;
  built.changed = built.tree != state_->parent_tree;
  if (built.changed || commit.allow_empty) {
    // Every git knows the empty tree, but `git fsck` misses it when a commit names it.
    if (built.tree == empty_tree_oid()) state_->writer.write(ObjectType::kTree, {});
    built.commit = state_->writer.write(
        ObjectType::kCommit,
        as_bytes(internal::commit_text(built.tree, commit.parents, commit.author, commit.committer,
                                       commit.message)));
    for (const auto& [oid, path] : state_->put) {
      built.blobs.push_back(state_->staged.at(oid));
      built.blobs.back().path = path;
    }
    std::sort(built.blobs.begin(), built.blobs.end(),
              [](const NewBlob& a, const NewBlob& b) { return a.path < b.path; });
  }
  state_->writer.finish();
  return built;
}

Quarantine& CommitBuilder::quarantine() {
  return *state_->quarantine;
}

const GitRepo& CommitBuilder::repo() const {
  return state_->repo;
}

}  // namespace hearth::git
