#pragma once
// One bare repository: refs, trees, blobs, history.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/fs.h"
#include "git/lfs_pointer.h"
#include "git/names.h"
#include "git/oid.h"

namespace hearth::git {

class Quarantine;

/// A blob larger than this must be in LFS (hub-api 9.3).
constexpr uint64_t kRegularBlobBytesMax = 10u << 20;

/// What the bare repository says about itself, so that it can be told without the database. Stands
/// in its config as hearth.repoid, hearth.type, hearth.name, hearth.owner.
struct RepoConfig {
  std::string repo_id;  // 24 hex
  std::string type;     // "model", "dataset", "space"
  std::string name;     // "alice/tiny"
  std::string owner;    // id of the namespace
  bool operator==(const RepoConfig&) const = default;
};

/// Who made a commit or a tag, and when. Control characters and <> are dropped when written.
struct Signature {
  std::string name;
  std::string email;
  int64_t time_ms = 0;     // git keeps seconds
  int offset_minutes = 0;  // east of UTC
};

struct Ref {
  std::string full_name;  // "refs/heads/main"
  std::string name;       // "main", "v1", "1" (of refs/pr/1), "parquet" (of refs/convert/parquet)
  Oid target;             // what the ref holds: a commit, or an annotated tag object
  Oid commit;             // peeled
};

/// Every ref of the four kinds, sorted by name. Refs that do not lead to a commit are left out.
struct RefList {
  std::vector<Ref> branches;
  std::vector<Ref> tags;
  std::vector<Ref> pull_requests;
  std::vector<Ref> converts;
};

/// The commit that a revision text means, and the ref it came by.
struct Revision {
  Oid commit;
  std::string ref;  // full name, "refs/heads/main"; empty when the text was a commit id
};

struct CommitInfo {
  Oid oid;
  Oid tree;
  std::vector<Oid> parents;
  Signature author;
  Signature committer;
  std::string message;  // whole, valid UTF-8 (other bytes replaced)
  std::string title;    // first paragraph on one line
  std::string body;     // the rest, trimmed
};

enum class EntryType { kFile, kDirectory, kSymlink, kSubmodule };

struct TreeEntry {
  std::string path;  // from the top of the repository
  EntryType type = EntryType::kFile;
  uint32_t mode = 0;  // 0100644, 0100755, 0120000, 040000, 0160000
  Oid oid;
  uint64_t blob_bytes = 0;            // of the blob in git; 0 for directories and submodules
  std::optional<LfsPointer> pointer;  // filled when asked for, see TreeListOptions

  /// What a person calls the file's size.
  uint64_t size_bytes() const { return pointer ? pointer->size_bytes : blob_bytes; }
};

struct TreeListOptions {
  bool recursive = false;
  /// Only entries behind this one (the path of the last entry of the page before).
  std::string after;
  size_t limit = 1000;
  /// Reads sizes of blobs; and pointers of those that could be one (<= 1024 bytes).
  bool with_sizes = true;
  bool with_pointers = true;
};

constexpr uint32_t kExecutableMode = 0100755;

/// Whether a tree's mode is that of a file or a symbolic link.
bool is_file_mode(uint32_t mode);

struct TreePage {
  std::vector<TreeEntry> entries;
  bool more = false;  // the next page begins after entries.back().path
};

struct LogOptions {
  size_t skip = 0;
  size_t limit = 50;
  /// Commits that these reach are left out.
  std::vector<Oid> hide;
  bool first_parent_only = false;
};

enum class ChangeKind { kAdded, kModified, kDeleted };

/// A file that differs between two trees. A file that became a directory is a deletion and
/// additions; only a changed mode is kModified with equal oids. No renames.
struct PathChange {
  std::string path;
  ChangeKind kind = ChangeKind::kModified;
  Oid old_oid;  // zero when added
  Oid new_oid;  // zero when deleted
  uint32_t old_mode = 0;
  uint32_t new_mode = 0;
};

struct DiffText {
  std::string text;        // unified, as `git diff` writes it
  bool truncated = false;  // cut at the limit, between lines
};

/// Outcome of merging two trees.
struct Merged {
  std::vector<std::string> conflict_paths;  // not empty: there is no tree
  Oid tree;                                 // its new objects are in the quarantine
};

/// A blob that a write brings, at one of the paths where it stands.
struct NewBlob {
  std::string path;  // bytes of the tree; may be no valid RepoPath
  Oid oid;
  uint64_t blob_bytes = 0;
  std::optional<LfsPointer> pointer;
};

/// What new commits bring with them.
struct NewObjects {
  std::vector<Oid> commits;            // newest first
  std::vector<NewBlob> blobs;          // each blob once, of the oldest commit first
  std::vector<std::string> bad_paths;  // why, in words, for paths that RepoPath::parse refuses
};

/// Pointers that a ref's history has and that of no ref before it in the list.
struct RefPointers {
  std::string ref;  // Full
  std::vector<NewBlob> blobs;
};

/// A ref whose history was written anew.
struct RewrittenRef {
  std::string full_name;
  Oid old_target;
  Oid new_target;  // Of an annotated tag the new tag object
};

/// What to do with a ref.
struct RefUpdate {
  std::string full_name;
  std::optional<Oid> expected_old;  // the value it must have; nothing: must not exist
  std::optional<Oid> new_target;    // nothing: delete
};

enum class RefUpdateResult { kDone, kChangedMeanwhile };

/// While one lives, no object of the repository is removed: what its owner found there, unreachable
/// or not, may get a ref. A lock of the file DIR/hearth-objects.lock, shared by any number of
/// writers and held alone by GitRepo::collect_garbage; it ends with its process.
class ObjectsKept {
 public:
  /// Holds nothing.
  ObjectsKept() = default;
  /// Nothing after `wait`. A folder that is not there needs no lock: what follows will say so.
  static std::optional<ObjectsKept> take(const fs::path& repo_dir, std::chrono::milliseconds wait);

 private:
  Fd fd_;
};

/// An open bare repository. Cheap to open (a fraction of a millisecond); use one object in one
/// thread at a time. Any number of them, in any number of processes, may work on one repository.
///
/// Stands in the name of a folder that init() has not finished, behind the name it will have.
inline constexpr std::string_view kUnfinishedMark = ".new-";

/// Errors everywhere: kCorrupt when git's data is damaged, kUnavailable when a lock is held for
/// long or the disk is full.
class GitRepo {
 public:
  /// Makes an empty repository whose HEAD is refs/heads/main, for good. Throws kConflict if there
  /// is something at `dir` already.
  static void init(const fs::path& dir, const RepoConfig& config);
  /// Throws kNotFound.
  static GitRepo open(const fs::path& dir);
  /// Sees the quarantine's objects too, and writes new objects only there.
  static GitRepo open_with(const fs::path& dir, const Quarantine& quarantine);

  GitRepo(GitRepo&&) noexcept;
  GitRepo& operator=(GitRepo&&) noexcept;
  ~GitRepo();

  const fs::path& dir() const;
  RepoConfig config() const;
  /// Whether HEAD names the main branch, as init() wrote it: clones check out what it names.
  bool head_is_main() const;
  /// Writes it as init() does.
  void point_head_to_main();
  /// Writes what `now` says, which is asked while nobody else changes the config.
  void update_config(const std::function<RepoConfig()>& now);

  // --- refs ---

  RefList refs() const;
  /// The value of a full name, unpeeled; nothing when there is no such ref.
  std::optional<Oid> read_ref(std::string_view full_name) const;
  /// The commit of a full name, peeled.
  std::optional<Oid> ref_commit(std::string_view full_name) const;
  /// In the order of hub-api 4.2: 40 hex digits, branch, tag, full ref name, HEAD (= main), at
  /// least 7 hex digits of one commit. Nothing when there is none.
  std::optional<Revision> resolve_revision(std::string_view text) const;
  /// As resolve_revision; throws kNotFound with RevisionNotFound, "Invalid rev id: xyz".
  Revision require_revision(std::string_view text) const;

  /// Changes one ref, if its value is still the expected one. Safe against other processes (a lock
  /// file that plain git honours as well), flushed to the disk when it returns. The new target's
  /// objects must be in the repository (Quarantine::migrate).
  /// Throws kConflict when the name clashes with another ref (`a` and `a/b`), kInvalid for a bad
  /// name, kUnavailable when somebody holds the lock for more than 5 s.
  RefUpdateResult update_ref_cas(const RefUpdate& update);
  /// Update that must not fail by a race: creates; throws kConflict "Reference … already exists".
  void create_ref(const std::string& full_name, const Oid& target);
  /// Throws kNotFound with RevisionNotFound when there is none.
  void delete_ref(const std::string& full_name);
  /// Moves all refs into one file, which is quicker to list. Keeps other changes of refs waiting.
  void pack_refs();
  /// Writes an annotated tag object (durable) and returns its id; the ref is a separate step.
  Oid write_tag_object(const std::string& tag_name, const Oid& commit, const Signature& tagger,
                       std::string_view message);

  // --- trees and blobs ---

  /// Entries below `path` (empty: the top) in git's order; folders included also when recursive,
  /// each before what is in it. Throws kNotFound with EntryNotFound when `path` is no folder.
  TreePage tree_list(const Oid& commit, std::string_view path,
                     const TreeListOptions& options = {}) const;
  /// Every file of a commit, without folders and submodules, in git's order.
  std::vector<TreeEntry> all_files(const Oid& commit) const;
  /// The entry at a path, with size and pointer; nothing when there is none.
  std::optional<TreeEntry> entry(const Oid& commit, std::string_view path) const;
  /// Throws kTooLarge above `bytes_max` (checked before reading), kNotFound.
  std::string read_blob(const Oid& blob, uint64_t bytes_max = kRegularBlobBytesMax) const;
  /// The text of a regular file; nothing when it is not there, no file, or longer.
  std::optional<std::string> read_file_at(const Oid& commit, std::string_view path,
                                          uint64_t bytes_max) const;
  uint64_t blob_size_bytes(const Oid& blob) const;
  /// What a person calls the size of the file that a tree names with this blob and mode: of a
  /// pointer that of its content; 0 for a submodule. Throws kCorrupt when the blob is missing.
  uint64_t content_bytes(const Oid& blob, uint32_t mode) const;
  std::optional<LfsPointer> read_pointer(const Oid& blob) const;
  bool has_object(const Oid& oid) const;

  // --- history ---

  /// Throws kNotFound when there is no such commit.
  CommitInfo commit_info(const Oid& commit) const;
  /// The tree of a commit.
  Oid tree_of(const Oid& commit) const;
  /// Newest first. Cost: the commits up to skip + limit (all of the history with `hide`).
  std::vector<CommitInfo> log(const Oid& start, const LogOptions& options = {}) const;
  /// How many commits `start` reaches that none of `hide` does.
  size_t count_commits(const Oid& start, const std::vector<Oid>& hide = {}) const;
  bool is_ancestor(const Oid& ancestor, const Oid& descendant) const;
  std::optional<Oid> merge_base(const Oid& a, const Oid& b) const;

  /// Files that differ, in path order. A zero tree means the empty one.
  std::vector<PathChange> diff_paths(const Oid& old_tree, const Oid& new_tree) const;
  DiffText diff_text(const Oid& old_tree, const Oid& new_tree, uint64_t bytes_max = 4u << 20) const;

  /// Three-way merge of commits' trees. Use on a repository opened with a quarantine.
  Merged merge_trees(const Oid& ours_commit, const Oid& theirs_commit);
  /// Writes a commit object into the quarantine this repository was opened with.
  Oid write_commit(const Oid& tree, const std::vector<Oid>& parents, const Signature& author,
                   const Signature& committer, std::string_view message);

  /// Commits and blobs that `tips` reach and the repository's refs do not; also the connectivity
  /// check of a receive: throws kInvalid when an object is missing or of the wrong kind. Use on a
  /// repository opened with the quarantine. `tips` may be annotated tags of commits.
  NewObjects new_objects(const std::vector<Oid>& tips) const;
  /// The pointers to large files in the whole history of all refs, each blob once. Reads every tree
  /// that history has: for checking and rebuilding.
  std::vector<NewBlob> all_pointers() const;
  /// The same of these refs, as they were listed.
  std::vector<NewBlob> all_pointers(const RefList& refs) const;

  /// The same by ref: main first, then other branches, tags, converted branches, pull requests.
  std::vector<RefPointers> pointers_by_ref() const;

  /// Writes the history of every ref anew, without these blobs, into the quarantine that this
  /// repository was opened with. Commits keep people, times and messages; one that loses all of its
  /// changes stays, empty. Signatures of what changed are left out. Refs that stay the same are not
  /// in the answer; moving the others is a separate step. Reads every tree of the history once.
  std::vector<RewrittenRef> rewrite_without(const std::unordered_set<Oid>& blobs);

  // --- copies ---

  /// Writes one pack of every object that `tips` reach and `known` do not into `folder` (it exists;
  /// the pack may stand in no repository), each object hashed again. Tips that are missing are
  /// damage: throws kCorrupt. Those of `known` that are missing are left out. Nothing: there is
  /// nothing to copy. Safe while others write, and while the repository is packed anew.
  std::optional<fs::path> write_pack(const std::vector<Oid>& tips, const std::vector<Oid>& known,
                                     const fs::path& folder) const;
  /// Takes in a pack file that stands at `pack` inside the repository's objects/pack, under any
  /// name: hashes every object and makes its index. Throws kCorrupt when it is none.
  void adopt_pack(const fs::path& pack);
  /// Gives a repository without refs all of these at once, by full name. Each target must be there,
  /// with all that it reaches: else throws kCorrupt.
  void set_first_refs(const std::map<std::string, Oid>& refs);

  // --- care ---

  /// What `git fsck --full --strict` finds, a line each; empty when the repository is whole.
  std::vector<std::string> fsck() const;
  /// Packs loose objects and small packs when there are many. Cheap when there is nothing to do.
  void maintain();
  /// Removes objects that no ref reaches and that are older than `age_s` seconds (by the clock of
  /// the machine), and packs the rest. Returns how many bytes of the folder that freed; nothing
  /// when another process packs it now, or somebody writes all the time. Writers wait meanwhile.
  std::optional<uint64_t> collect_garbage(int64_t age_s);
  /// What its objects take on the disk; not those that are in a quarantine. Looks at every file.
  uint64_t objects_bytes() const;

 private:
  void pack_objects(bool again);
  struct State;
  explicit GitRepo(std::unique_ptr<State> state);
  friend class CommitBuilder;
  std::unique_ptr<State> state_;
};

}  // namespace hearth::git
