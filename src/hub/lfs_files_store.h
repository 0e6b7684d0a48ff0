#pragma once
// Rows of hub/lfs_files: what was deleted from a repository for good.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "db/db.h"
#include "hub/audit.h"

namespace hearth::hub {

void insert_lfs_deletions(db::Tx& tx, std::string_view repo_id,
                          const std::vector<std::string>& sha256s, const Actor& by, int64_t now_ms);
/// They are named anew: deleted no more.
void delete_lfs_deletions(db::Tx& tx, std::string_view repo_id,
                          const std::vector<std::string>& sha256s);
/// A copy lacks what its source lacks.
void copy_lfs_deletions(db::Tx& tx, std::string_view from_repo_id, std::string_view to_repo_id);
/// Those of the repository that were deleted.
std::set<std::string> lfs_deletions(db::Tx& tx, std::string_view repo_id);
bool is_lfs_deletion(db::Tx& tx, std::string_view repo_id, std::string_view sha256);

}  // namespace hearth::hub
