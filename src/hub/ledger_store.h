#pragma once
// Rows of hub/ledger: what repositories and namespaces take up.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/db.h"

namespace hearth::hub {

struct RepoStorage {
  std::string namespace_id;
  bool deleted = false;
  uint64_t large_bytes = 0;
  uint64_t git_bytes = 0;
  uint64_t bytes() const { return large_bytes + git_bytes; }
};

struct NamespaceStorage {
  std::string id;
  std::string name;
  bool is_org = false;
  uint64_t used_bytes = 0;
  std::optional<int64_t> quota_bytes = {};  // Its own; -1: unlimited
};

/// Also of a deleted repository.
std::optional<RepoStorage> repo_storage(db::Tx& tx, std::string_view repo_id);
/// By id, those of a namespace that are not deleted.
std::map<std::string, uint64_t> namespace_repo_bytes(db::Tx& tx, std::string_view namespace_id);
std::optional<NamespaceStorage> namespace_storage(db::Tx& tx, std::string_view namespace_id);
/// By name, from `after_key` (a name in lower case) on.
std::vector<NamespaceStorage> namespace_storages(db::Tx& tx, std::string_view after_key,
                                                 int64_t limit);
void set_namespace_quota(db::Tx& tx, std::string_view namespace_id,
                         std::optional<int64_t> quota_bytes);

/// Adds to a repository, and to its namespace unless it is deleted. Nothing when it is not there.
void add_repo_storage(db::Tx& tx, std::string_view repo_id, int64_t large_bytes, int64_t git_bytes);
/// For a repository that comes, goes or changes hands.
void add_namespace_storage(db::Tx& tx, std::string_view namespace_id, int64_t bytes);

/// Bytes of those of these large files that count: some commit names them, and nobody deleted them.
uint64_t counted_bytes(db::Tx& tx, std::string_view repo_id,
                       const std::vector<std::string>& sha256s);
/// Of all of them.
uint64_t counted_bytes(db::Tx& tx, std::string_view repo_id);

/// Whether this one does.
bool is_counted(db::Tx& tx, std::string_view repo_id, std::string_view sha256);

/// Whether some commit names a large file of this size.
bool is_any_of_size(db::Tx& tx, std::string_view repo_id, uint64_t size_bytes);

/// What the git objects of a namespace's repositories take.
uint64_t git_bytes_in(db::Tx& tx, std::string_view namespace_id);
/// What the large files of a namespace take on the disk: each xorb and each whole file once.
uint64_t stored_once_bytes(db::Tx& tx, std::string_view namespace_id);

/// Repositories with files that were deleted for good.
std::vector<std::string> repos_with_lfs_deletions(db::Tx& tx);

struct WrongSum {
  std::string name;
  uint64_t noted_bytes = 0;
  uint64_t counted_bytes = 0;
};
/// Namespaces whose sum is not that of their repositories.
std::vector<WrongSum> wrong_namespace_sums(db::Tx& tx);
/// Makes all sums again from the repositories' rows.
void rebuild_namespace_sums(db::Tx& tx);

}  // namespace hearth::hub
