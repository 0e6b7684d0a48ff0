#pragma once
// What a repository holds at a revision: refs, commits, trees, files.
//
// Everything is read from git; last commits of paths come from the path index where the revision is
// the one that was indexed (main), and from a bounded walk where it is not. Nothing here checks
// access: the route has.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "blob/blob.h"
#include "hub/context.h"
#include "hub/plain_files.h"
#include "hub/repo.h"

namespace hearth::git {
class GitRepo;
}

namespace hearth::hub {

class Repositories;
class PathIndex;

/// What a client's `{rev}` stands for.
struct Revision {
  std::string commit_oid;  // 40 hex
  std::string ref;         // "refs/heads/main"; empty when it was named by a commit
};

struct Ref {
  std::string name;  // Short: "main", "v1", "1" for refs/pr/1, "parquet" for refs/convert/parquet
  std::string ref;   // Full
  std::string target_commit;  // Of an annotated tag the commit, not the tag object
};

struct RefList {
  std::vector<Ref> branches;  // main first
  std::vector<Ref> converts;
  std::vector<Ref> tags;
  std::vector<Ref> pull_requests;  // By number
};

struct CommitEntry {
  std::string oid;
  std::string title;
  std::string message;             // Without the title
  std::vector<std::string> users;  // Author first, then co-authors
  int64_t time_ms = 0;
};

struct CommitPage {
  std::vector<CommitEntry> commits;  // Newest first
  uint64_t total_count = 0;          // X-Total-Count
  bool has_more = false;
};

struct LastCommit {
  std::string oid;
  std::string title;
  int64_t time_ms = 0;
};

/// The large file behind an LFS pointer.
struct LargeInfo {
  std::string sha256;
  uint64_t size_bytes = 0;
  uint64_t pointer_bytes = 0;
  std::string xet_hash;  // 64 hex; empty: not in Xet
};

enum class EntryType { kFile, kDirectory, kSubmodule };

struct TreeEntry {
  EntryType type = EntryType::kFile;
  std::string path;         // Full, from the repository's root
  std::string oid;          // Blob (of the pointer, for large files) or tree
  uint64_t size_bytes = 0;  // Real size; 0 for directories
  std::optional<LargeInfo> large;
  std::optional<LastCommit> last_commit;  // With expand; absent when the bounded walk ended first
};

struct TreeRequest {
  std::string path = {};  // A directory; empty: the root
  bool recursive = false;
  bool expand = false;  // Fill in last commits
  std::string cursor = {};
  size_t limit = 1000;  // At most 1000, 100 with expand; larger values are cut
};

struct TreePage {
  std::vector<TreeEntry> entries;  // In git's order; directories too, also when recursive
  std::string next_cursor;         // Empty: the last page
};

/// A file as `resolve` and `raw` answer it.
struct FileAnswer {
  std::string blob_oid;  // Git's SHA-1: ETag of a plain file, and of `raw`
  uint64_t size_bytes = 0;
  std::optional<LargeInfo> large;
  std::unique_ptr<blob::Source> source;
};

struct PathsInfoOptions {
  bool expand = false;
};

/// Plain blobs are at most 10 MiB (hub/receive refuses larger ones); this leaves room for those
/// that an operator put there by hand.
constexpr uint64_t kPlainBytesMax = 64u << 20;

struct FileOptions {
  bool raw = false;         // The pointer text of a large file, as git has it
  bool with_source = true;  // HEAD needs none
};

/// Safe from any thread.
class Contents {
 public:
  Contents(HubContext context, Repositories& repositories, PathIndex& path_index);

  /// Order: 40-hex commit, branch, tag, full ref name, "HEAD" (main), abbreviated commit (>= 7).
  /// An unknown one throws kNotFound, RevisionNotFound, "Invalid rev id: x".
  Revision resolve(const Repo& repo, std::string_view revision);

  RefList refs(const Repo& repo);

  /// `skip_count` + `limit` may not pass 100,000.
  struct CommitsRequest {
    uint64_t skip_count = 0;
    uint64_t limit = 50;  // At most 1000
  };
  CommitPage commits(const Repo& repo, const Revision& revision, const CommitsRequest& request);

  /// Throws kNotFound, EntryNotFound, `<path> does not exist on "<rev>"`; kInvalid for a cursor
  /// that is not ours; kUnprocessable for a path outside the repository.
  TreePage tree(const Repo& repo, const Revision& revision, const TreeRequest& request,
                std::string_view revision_text);

  /// The entries that exist, in the order of `paths` (at most 1000; kInvalid above).
  std::vector<TreeEntry> paths_info(const Repo& repo, const Revision& revision,
                                    const std::vector<std::string>& paths,
                                    PathsInfoOptions options = {});

  /// Every file, sorted; no directories, no last commits: `siblings`.
  std::vector<TreeEntry> files(const Repo& repo, const Revision& revision);

  /// Nothing when there is no such file (the route answers 404 EntryNotFound with X-Repo-Commit).
  /// Throws kCorrupt when the object behind a pointer is missing; kNotFound EntryNotFound when it
  /// was deleted for good.
  std::optional<FileAnswer> find_file(const Repo& repo, const Revision& revision,
                                      std::string_view path, FileOptions options = {});

  /// Sum of the sizes of the files in a folder (empty: the root) and below, or of one file. Reads
  /// the size of each. Throws EntryNotFound as tree() does.
  uint64_t tree_size_bytes(const Repo& repo, const Revision& revision, std::string_view path,
                           std::string_view revision_text);

  /// A small file's text (README.md, .gitattributes); nothing when absent, large or > `bytes_max`.
  std::optional<std::string> text(const Repo& repo, const Revision& revision, std::string_view path,
                                  uint64_t bytes_max = 1u << 20);

  /// Author time of a commit in ms: `lastModified` of a revision.
  int64_t commit_time_ms(const Repo& repo, const std::string& commit_oid);

  /// The diff of b against a (empty: against nothing; or against their merge base with
  /// `three_dots`), as git prints it; cut after `bytes_max`.
  struct DiffOptions {
    bool three_dots = false;
    uint64_t bytes_max = 4u << 20;
  };
  std::string diff(const Repo& repo, const std::string& a_oid, const std::string& b_oid,
                   DiffOptions options);

  /// The same of a text: "a..b", "a...b" (against the merge base), or one revision, which is
  /// compared with its first parent. A revision may end in "^" and "~2", as git has it. The route
  /// has checked that the caller may read files: a diff is content.
  /// Source: the Hub's documentation ("Get a compare rev": HEAD^..HEAD, HEAD..HEAD^, or a single
  /// one).
  std::string compare(const Repo& repo, std::string_view range);

 private:
  std::unique_ptr<blob::Source> open_large(const Repo& repo, const LargeInfo& large);
  /// kNotFound EntryNotFound for what was deleted for good (hub/lfs_files).
  void require_not_deleted(const Repo& repo, const LargeInfo& large);
  /// Of a pointer whose object the repository does not have: that, or kCorrupt.
  [[noreturn]] void throw_large_missing(const Repo& repo, const LargeInfo& large);
  void add_xet_hashes(const Repo& repo, std::vector<TreeEntry>& entries);
  void add_last_commits(const Repo& repo, git::GitRepo& git, const Revision& revision,
                        std::vector<TreeEntry>& entries);

  HubContext context_;
  Repositories& repositories_;
  PathIndex& path_index_;
  PlainFiles plain_files_;
};

}  // namespace hearth::hub
