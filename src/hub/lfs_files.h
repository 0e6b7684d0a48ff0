#pragma once
// The large files of repositories as things of their own: listed with where they stand, deleted for
// good, shared with another repository.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hub/caller.h"
#include "hub/context.h"
#include "hub/receive.h"
#include "hub/repo.h"
#include "xet/xet.h"

namespace hearth::hub {

class Repositories;

/// A large file that a repository has.
struct LfsFile {
  std::string sha256;
  uint64_t size_bytes = 0;
  std::string xet_hash = {};  // 64 hex; empty: not in Xet
  int64_t pushed_ms = 0;      // When the repository got it
  std::string path = {};      // A path of it in the newest commit that has it; empty: in no commit
  std::string ref = {};       // Full; main before other branches before tags; empty: in no commit
};

struct LfsFilePage {
  std::vector<LfsFile> files;  // By SHA-256
  std::string next_cursor;     // Empty: the last page
};

/// A large file that is to be shared. Both hashes name it, as clients send them.
struct SharedFile {
  std::string sha256;
  std::string xet_hash = {};  // 64 hex; empty: not told
};

struct SharingFailure {
  std::string sha256;
  std::string reason;
};

/// Safe from any thread and process.
class LfsFiles {
 public:
  LfsFiles(HubContext context, Repositories& repositories, Receive& receive)
      : context_(std::move(context)), repositories_(repositories), receive_(receive) {}

  /// What takes up the repository's storage, also what no commit names (any more). Reads every tree
  /// of the history. Throws kInvalid for a cursor that is not ours.
  LfsFilePage list(const Repo& repo, const std::string& cursor, size_t limit);

  /// What readers may have of these: those that the repository has, but for what was deleted for
  /// good and has only been sent again.
  std::map<std::string, xet::LargeObject> readable(const Repo& repo,
                                                   const std::vector<std::string>& sha256s);

  struct Deletion {
    std::vector<std::string> sha256s = {};
    /// Whether the pointers go too, out of each commit of each ref: commits get other ids.
    bool rewrite_history = true;
  };
  /// The repository has these files no more; that is not undone. Without rewriting, commits name
  /// what is not there: reading it answers 404. What it does not have is passed over. A crash in
  /// between leaves some refs rewritten and every file there: do it again.
  /// The route has checked kWrite.
  /// Source: huggingface_hub 2.4.0 hf_api.py permanently_delete_lfs_files.
  void remove(const Caller& caller, const Repo& repo, const Deletion& deletion);

  /// Gives `target` large files that `source` has; a commit may name them there afterwards. Nothing
  /// is copied. Returns those that could not be: the source has no such file, or it is another one.
  /// The route has checked that the caller may read the source's files and write to the target.
  std::vector<SharingFailure> share(const Repo& source, const Repo& target,
                                    const std::vector<SharedFile>& files);

 private:
  void rewrite(const RepoLock& held, const Actor& by, const Repo& repo,
               const std::set<std::string>& sha256s);

  HubContext context_;
  Repositories& repositories_;
  Receive& receive_;
};

}  // namespace hearth::hub
