// Trees, blobs and pointers.

#include <algorithm>

#include <git2.h>

#include "base/text.h"
#include "git/blob_facts.h"
#include "git/repository_state.h"

namespace hearth::git {

using internal::check;
using internal::from_git;
using internal::Handle;
using internal::own;
using internal::require_commit;
using internal::to_git;

namespace {

// RepoPath allows 512 levels; a pushed tree that is deeper is refused, so this is only a guard.
constexpr size_t kDepthMax = 1024;

EntryType type_of_mode(uint32_t mode) {
  switch (mode) {
    case 0040000:
      return EntryType::kDirectory;
    case 0120000:
      return EntryType::kSymlink;
    case 0160000:
      return EntryType::kSubmodule;
    default:
      return EntryType::kFile;
  }
}

EntryType type_of(const git_tree_entry* entry) {
  return type_of_mode(internal::mode_of(entry));
}

TreeEntry to_entry(const git_tree_entry* entry, const std::string& folder) {
  TreeEntry out;
  out.path = folder + git_tree_entry_name(entry);
  out.type = type_of(entry);
  out.mode = internal::mode_of(entry);
  out.oid = from_git(git_tree_entry_id(entry));
  return out;
}

Handle<git_odb> odb_of(git_repository* repo) {
  return own<git_odb>("open objects", [&](git_odb** out) { return git_repository_odb(out, repo); });
}

/// Reads an object of any size that the caller has bounded; nothing when it is not there.
std::optional<std::string> read_object(git_odb* odb, const Oid& oid, git_object_t wanted) {
  git_oid id = to_git(oid);
  git_odb_object* raw = nullptr;
  int code = git_odb_read(&raw, odb, &id);
  if (code == GIT_ENOTFOUND) return std::nullopt;
  check(code, "read an object");
  Handle<git_odb_object> object(raw);
  if (git_odb_object_type(raw) != wanted) return std::nullopt;
  return std::string(static_cast<const char*>(git_odb_object_data(raw)), git_odb_object_size(raw));
}

struct Header {
  uint64_t size_bytes = 0;
  git_object_t type = GIT_OBJECT_INVALID;
};

std::optional<Header> read_header(git_odb* odb, const Oid& oid) {
  git_oid id = to_git(oid);
  size_t size = 0;
  git_object_t type = GIT_OBJECT_INVALID;
  int code = git_odb_read_header(&size, &type, odb, &id);
  if (code == GIT_ENOTFOUND) return std::nullopt;
  check(code, "read an object's header");
  return Header{size, type};
}

std::optional<LfsPointer> pointer_of(git_odb* odb, const Oid& oid, uint64_t blob_bytes) {
  if (blob_bytes > kPointerBytesMax) return std::nullopt;
  std::optional<std::string> text = read_object(odb, oid, GIT_OBJECT_BLOB);
  return text ? LfsPointer::parse(*text) : std::nullopt;
}

void fill_sizes(git_odb* odb, TreeEntry& entry, bool with_pointers) {
  if (entry.type != EntryType::kFile && entry.type != EntryType::kSymlink) return;
  bool wants_pointer = with_pointers && entry.type == EntryType::kFile;
  if (auto known = internal::known_blob(entry.oid)) {
    entry.blob_bytes = known->size_bytes;
    if (wants_pointer) entry.pointer = std::move(known->pointer);
    return;
  }
  std::optional<Header> header = read_header(odb, entry.oid);
  if (!header || header->type != GIT_OBJECT_BLOB) {
    throw Error(ErrorKind::kCorrupt, "The repository is damaged. Tell the operator.",
                {.detail = "missing blob " + entry.oid.hex()});
  }
  entry.blob_bytes = header->size_bytes;
  if (!wants_pointer) return;
  entry.pointer = pointer_of(odb, entry.oid, entry.blob_bytes);
  internal::remember_blob(entry.oid, {entry.blob_bytes, entry.pointer});
}

[[noreturn]] void throw_no_entry(std::string_view path) {
  throw Error(ErrorKind::kNotFound, "Entry not found: " + internal::to_utf8(path),
              {.code = "EntryNotFound"});
}

Handle<git_tree> root_tree(git_repository* repo, const Oid& commit_oid) {
  Handle<git_commit> commit = require_commit(repo, commit_oid);
  return own<git_tree>("read a tree",
                       [&](git_tree** out) { return git_commit_tree(out, commit.get()); });
}

/// A folder on the way of a listing.
struct Frame {
  Handle<git_tree> tree;
  std::string folder;  // "" or "a/b/"
  size_t next = 0;     // index of the entry to visit
};

/// As git sorts: a folder's name counts as if it ended in '/'.
int compare_names(std::string_view a, bool a_is_folder, std::string_view b, bool b_is_folder) {
  size_t common = std::min(a.size(), b.size());
  if (int order = a.substr(0, common).compare(b.substr(0, common)); order != 0) return order;
  auto at = [common](std::string_view name, bool is_folder) {
    if (name.size() > common) return static_cast<int>(static_cast<uint8_t>(name[common]));
    return is_folder ? static_cast<int>('/') : -1;
  };
  return at(a, a_is_folder) - at(b, b_is_folder);
}

/// Walks entries in git's order, folders before what is in them.
class TreeWalk {
 public:
  TreeWalk(git_repository* repo, Handle<git_tree> top, std::string folder, bool recursive)
      : repo_(repo), recursive_(recursive) {
    frames_.push_back({std::move(top), std::move(folder), 0});
  }

  /// Goes on behind the entry at `path`.
  void skip_to_after(std::string_view path) {
    if (!path.starts_with(frames_.front().folder)) return;
    path.remove_prefix(frames_.front().folder.size());
    while (!path.empty()) {
      Frame& frame = frames_.back();
      size_t end = path.find('/');
      std::string name(path.substr(0, end));
      bool is_last = end == std::string_view::npos;
      path.remove_prefix(is_last ? path.size() : end + 1);
      const git_tree_entry* found = git_tree_entry_byname(frame.tree.get(), name.c_str());
      size_t index = 0;
      for (; index < git_tree_entrycount(frame.tree.get()); ++index) {
        const git_tree_entry* entry = git_tree_entry_byindex(frame.tree.get(), index);
        std::string_view entry_name = git_tree_entry_name(entry);
        bool is_folder = type_of(entry) == EntryType::kDirectory;
        if (found != nullptr && entry_name == name) {
          ++index;
          break;
        }
        // The entry that the cursor names is gone (another commit): go on where it would stand.
        if (found == nullptr && compare_names(entry_name, is_folder, name, !is_last) > 0) break;
      }
      frame.next = index;
      if (found == nullptr || !recursive_ || type_of(found) != EntryType::kDirectory) return;
      enter(found);
    }
  }

  /// The next entry, or null at the end.
  std::optional<TreeEntry> next() {
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      if (frame.next >= git_tree_entrycount(frame.tree.get())) {
        frames_.pop_back();
        continue;
      }
      const git_tree_entry* entry = git_tree_entry_byindex(frame.tree.get(), frame.next++);
      TreeEntry out = to_entry(entry, frame.folder);
      if (recursive_ && out.type == EntryType::kDirectory) enter(entry);
      return out;
    }
    return std::nullopt;
  }

 private:
  void enter(const git_tree_entry* entry) {
    if (frames_.size() >= kDepthMax) {
      throw Error(ErrorKind::kUnprocessable, "The repository's folders are nested too deeply.");
    }
    std::string folder = frames_.back().folder + git_tree_entry_name(entry) + "/";
    Handle<git_tree> tree = internal::require_tree(repo_, from_git(git_tree_entry_id(entry)));
    frames_.push_back({std::move(tree), std::move(folder), 0});
  }

  git_repository* repo_;
  bool recursive_;
  std::vector<Frame> frames_;
};

/// Compares trees entry by entry and looks into those folders only that differ: libgit2's own
/// comparison reads every folder that stands beside a changed one.
class TreeComparison {
 public:
  explicit TreeComparison(git_repository* repo) : repo_(repo) {}

  std::vector<PathChange> run(const Oid& old_tree, const Oid& new_tree) {
    compare(open(old_tree), open(new_tree), "", 0);
    std::sort(changes_.begin(), changes_.end(),
              [](const PathChange& a, const PathChange& b) { return a.path < b.path; });
    return std::move(changes_);
  }

 private:
  Handle<git_tree> open(const Oid& tree) {
    return tree.is_zero() ? Handle<git_tree>() : internal::require_tree(repo_, tree);
  }

  /// A null tree is an empty one.
  void compare(Handle<git_tree> old_tree, Handle<git_tree> new_tree, const std::string& folder,
               size_t depth) {
    if (depth >= kDepthMax) {
      throw Error(ErrorKind::kUnprocessable, "The repository's folders are nested too deeply.");
    }
    size_t old_count = old_tree ? git_tree_entrycount(old_tree.get()) : 0;
    size_t new_count = new_tree ? git_tree_entrycount(new_tree.get()) : 0;
    size_t i = 0;
    size_t j = 0;
    while (i < old_count || j < new_count) {
      const auto* was = i < old_count ? git_tree_entry_byindex(old_tree.get(), i) : nullptr;
      const auto* is = j < new_count ? git_tree_entry_byindex(new_tree.get(), j) : nullptr;
      if (was != nullptr && is != nullptr) {
        int order = compare_names(git_tree_entry_name(was), is_folder(was), git_tree_entry_name(is),
                                  is_folder(is));
        if (order < 0) is = nullptr;
        if (order > 0) was = nullptr;
      }
      if (was != nullptr) ++i;
      if (is != nullptr) ++j;
      note(was, is, folder, depth);
    }
  }

  /// Of one name; nothing: not there.
  void note(const git_tree_entry* was, const git_tree_entry* is, const std::string& folder,
            size_t depth) {
    PathChange change;
    if (was != nullptr) {
      change.old_oid = from_git(git_tree_entry_id(was));
      change.old_mode = internal::mode_of(was);
    }
    if (is != nullptr) {
      change.new_oid = from_git(git_tree_entry_id(is));
      change.new_mode = internal::mode_of(is);
    }
    if (change.old_oid == change.new_oid && change.old_mode == change.new_mode) return;
    const git_tree_entry* any = is != nullptr ? is : was;
    change.path = folder + git_tree_entry_name(any);
    if (is_folder(any)) {
      compare(open(change.old_oid), open(change.new_oid), change.path + "/", depth + 1);
      return;
    }
    change.kind = was == nullptr  ? ChangeKind::kAdded
                  : is == nullptr ? ChangeKind::kDeleted
                                  : ChangeKind::kModified;
    changes_.push_back(std::move(change));
  }

  static bool is_folder(const git_tree_entry* entry) {
    return type_of(entry) == EntryType::kDirectory;
  }

  git_repository* repo_;
  std::vector<PathChange> changes_;
};

/// The entry at a path below `tree`, or nothing.
std::optional<TreeEntry> find_entry(const git_tree* tree, std::string_view path) {
  git_tree_entry* raw = nullptr;
  int code = git_tree_entry_bypath(&raw, tree, std::string(path).c_str());
  if (code == GIT_ENOTFOUND) return std::nullopt;
  check(code, "look up a path");
  std::unique_ptr<git_tree_entry, decltype(&git_tree_entry_free)> owned(raw, git_tree_entry_free);
  TreeEntry entry = to_entry(raw, "");
  entry.path = path;
  return entry;
}

bool is_lookup_path(std::string_view path) {
  return !path.empty() && path.front() != '/' && path.back() != '/' &&
         path.find('\0') == std::string_view::npos && path.find("//") == std::string_view::npos;
}

}  // namespace

bool is_file_mode(uint32_t mode) {
  EntryType type = type_of_mode(mode);
  return mode != 0 && (type == EntryType::kFile || type == EntryType::kSymlink);
}

TreePage GitRepo::tree_list(const Oid& commit, std::string_view path,
                            const TreeListOptions& options) const {
  Handle<git_tree> tree = root_tree(state_->raw(), commit);
  std::string folder;
  if (path.ends_with('/')) path.remove_suffix(1);
  if (!path.empty()) {
    std::optional<TreeEntry> entry =
        is_lookup_path(path) ? find_entry(tree.get(), path) : std::nullopt;
    if (!entry || entry->type != EntryType::kDirectory) throw_no_entry(path);
    tree = internal::require_tree(state_->raw(), entry->oid);
    folder = std::string(path) + "/";
  }
  TreeWalk walk(state_->raw(), std::move(tree), std::move(folder), options.recursive);
  if (!options.after.empty()) walk.skip_to_after(options.after);
  Handle<git_odb> odb = odb_of(state_->raw());
  TreePage page;
  while (std::optional<TreeEntry> entry = walk.next()) {
    if (page.entries.size() >= options.limit) {
      page.more = true;
      break;
    }
    if (options.with_sizes) fill_sizes(odb.get(), *entry, options.with_pointers);
    page.entries.push_back(std::move(*entry));
  }
  return page;
}

std::vector<TreeEntry> GitRepo::all_files(const Oid& commit) const {
  TreeWalk walk(state_->raw(), root_tree(state_->raw(), commit), "", /*recursive=*/true);
  Handle<git_odb> odb = odb_of(state_->raw());
  std::vector<TreeEntry> files;
  while (std::optional<TreeEntry> entry = walk.next()) {
    if (entry->type != EntryType::kFile && entry->type != EntryType::kSymlink) continue;
    fill_sizes(odb.get(), *entry, /*with_pointers=*/true);
    files.push_back(std::move(*entry));
  }
  return files;
}

std::vector<PathChange> GitRepo::diff_paths(const Oid& old_tree, const Oid& new_tree) const {
  if (old_tree == new_tree) return {};
  // One change of a branch asks several times for the same two, and large trees take long to read.
  auto& last = state_->last_comparison;
  if (!last || last->old_tree != old_tree || last->new_tree != new_tree) {
    last.reset();
    auto changes = TreeComparison(state_->raw()).run(old_tree, new_tree);
    last.emplace(State::Comparison{old_tree, new_tree, std::move(changes)});
  }
  return last->changes;
}

std::optional<TreeEntry> GitRepo::entry(const Oid& commit, std::string_view path) const {
  Handle<git_tree> tree = root_tree(state_->raw(), commit);
  if (!is_lookup_path(path)) return std::nullopt;
  std::optional<TreeEntry> entry = find_entry(tree.get(), path);
  if (entry) fill_sizes(odb_of(state_->raw()).get(), *entry, /*with_pointers=*/true);
  return entry;
}

uint64_t GitRepo::blob_size_bytes(const Oid& blob) const {
  std::optional<Header> header = read_header(odb_of(state_->raw()).get(), blob);
  if (!header || header->type != GIT_OBJECT_BLOB) {
    throw Error(ErrorKind::kNotFound, "There is no such blob.", {.detail = blob.hex()});
  }
  return header->size_bytes;
}

uint64_t GitRepo::content_bytes(const Oid& blob, uint32_t mode) const {
  TreeEntry entry;
  entry.type = type_of_mode(mode);
  entry.oid = blob;
  fill_sizes(odb_of(state_->raw()).get(), entry, /*with_pointers=*/true);
  return entry.size_bytes();
}

std::string GitRepo::read_blob(const Oid& blob, uint64_t bytes_max) const {
  if (blob_size_bytes(blob) > bytes_max) {
    throw Error(ErrorKind::kTooLarge, "The file is too large to be read here.",
                {.detail = blob.hex()});
  }
  std::optional<std::string> text = read_object(odb_of(state_->raw()).get(), blob, GIT_OBJECT_BLOB);
  if (!text) throw Error(ErrorKind::kNotFound, "There is no such blob.", {.detail = blob.hex()});
  return std::move(*text);
}

std::optional<std::string> GitRepo::read_file_at(const Oid& commit, std::string_view path,
                                                 uint64_t bytes_max) const {
  std::optional<TreeEntry> found = entry(commit, path);
  if (!found || found->type != EntryType::kFile || found->blob_bytes > bytes_max) {
    return std::nullopt;
  }
  return read_blob(found->oid, bytes_max);
}

std::optional<LfsPointer> GitRepo::read_pointer(const Oid& blob) const {
  Handle<git_odb> odb = odb_of(state_->raw());
  std::optional<Header> header = read_header(odb.get(), blob);
  if (!header || header->type != GIT_OBJECT_BLOB) return std::nullopt;
  return pointer_of(odb.get(), blob, header->size_bytes);
}

bool GitRepo::has_object(const Oid& oid) const {
  git_oid id = to_git(oid);
  return git_odb_exists(odb_of(state_->raw()).get(), &id) != 0;
}

}  // namespace hearth::git
