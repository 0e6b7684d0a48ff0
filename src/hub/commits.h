#pragma once
// Making commits, branches and tags through the API. Everything that changes a ref goes on through
// hub/receive, as a push does.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/caller.h"
#include "hub/contents.h"
#include "hub/context.h"
#include "hub/repo.h"

namespace hearth::hub {

class Community;
class Receive;
class Repositories;

/// Larger content must come as an LFS file. Source: hub-api 4.4, 9.3.
constexpr uint64_t kRegularBytesMax = 10u << 20;

struct CommitHeader {
  std::string summary;
  std::string description = {};
  std::string parent_commit = {};  // 5 to 40 hex digits; empty: whatever the head is
};

struct CommitResult {
  std::string commit_oid;  // The head, when nothing changed
  std::optional<int64_t> pull_request;
};

/// A commit being put together, one operation after the other, as the lines of a request come in.
/// Content is written to a quarantine at once, so that memory holds one file at a time; without
/// commit() nothing of it stays.
///
/// Paths outside the repository throw kUnprocessable (422).
class CommitDraft {
 public:
  CommitDraft(CommitDraft&&) noexcept;
  CommitDraft& operator=(CommitDraft&&) = delete;
  ~CommitDraft();

  /// Throws kTooLarge above kRegularBytesMax.
  void put(std::string_view path, std::string_view content);
  /// A large file that this repository already has. `size_bytes` absent: looked up. Throws
  /// kInvalid naming the oid when this repository has no such object, or when the sizes differ.
  void put_large(std::string_view path, std::string_view sha256,
                 std::optional<uint64_t> size_bytes = {});
  /// A file, or a folder. Missing: commit() throws kNotFound EntryNotFound "A file with this name
  /// doesn't exist".
  void delete_file(std::string_view path);
  void delete_folder(std::string_view path);
  /// From the parent's tree; or, when `from_revision` names another branch, tag or commit, a file
  /// of that one as it is now. Throws kNotFound RevisionNotFound or EntryNotFound, and
  /// kUnprocessable for a folder of another revision.
  void copy(std::string_view from_path, std::string_view to_path,
            std::string_view from_revision = {});

  /// Makes the commit. Throws kPreconditionFailed ("The branch was updated since …") when
  /// `parent_commit` was given and is not the head; without it the commit moves to the new head.
  CommitResult commit();

 private:
  friend class Commits;
  struct State;
  explicit CommitDraft(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct PreuploadFile {
  std::string path;
  std::string sample;  // First bytes, decoded
  uint64_t size_bytes = 0;
};

struct PreuploadRequest {
  std::vector<PreuploadFile> files;
  std::optional<std::string> git_ignore;      // Text of the .gitignore in the same commit
  std::optional<std::string> git_attributes;  // Text of the .gitattributes in the same commit
};

struct PreuploadAnswer {
  std::string path;
  bool is_lfs = false;         // uploadMode "lfs", else "regular"
  bool should_ignore = false;  // By .gitignore
  std::string oid;             // Of the file that is there: SHA-1, of large ones SHA-256; or empty
};

struct NewBranch {
  std::string starting_point = {};  // Empty: main
  bool empty = false;               // Without files
  bool overwrite = false;
};

/// Safe from any thread.
class Commits {
 public:
  Commits(HubContext context, Repositories& repositories, Receive& receive, Contents& contents,
          Community& community);

  struct Target {
    std::string revision;    // A branch, or refs/pr/N
    bool create_pr = false;  // Commit on a new refs/pr/N against the branch
  };
  /// Throws RevisionNotFound ("Invalid rev id: x") when the target is no branch or pull request;
  /// kForbidden when the caller may not write there (kDiscuss for create_pr; the author or writers
  /// for refs/pr/N).
  CommitDraft begin(const Caller& caller, const Repo& repo, const Target& target,
                    CommitHeader header);

  /// One answer for each file, in order. Throws RevisionNotFound; kUnprocessable for bad paths.
  std::vector<PreuploadAnswer> preupload(const Repo& repo, std::string_view revision,
                                         const PreuploadRequest& request, bool create_pr);

  /// kConflict `Reference refs/heads/x already exists`; kInvalid `Invalid reference for a branch`.
  void create_branch(const Caller& caller, const Repo& repo, std::string_view name,
                     const NewBranch& options);
  /// kInvalid `Cannot delete refs/heads/main`; RevisionNotFound.
  void delete_branch(const Caller& caller, const Repo& repo, std::string_view name);
  /// An annotated tag when there is a message. kConflict when it exists; kInvalid for a bad name.
  void create_tag(const Caller& caller, const Repo& repo, std::string_view name,
                  std::string_view revision, std::string_view message);
  void delete_tag(const Caller& caller, const Repo& repo, std::string_view name);

  /// Makes the branch one commit that holds its present files.
  std::string super_squash(const Caller& caller, const Repo& repo, std::string_view branch,
                           std::string_view message);

 private:
  friend class CommitDraft;
  HubContext context_;
  Repositories& repositories_;
  Receive& receive_;
  Contents& contents_;
  Community& community_;
};

}  // namespace hearth::hub
