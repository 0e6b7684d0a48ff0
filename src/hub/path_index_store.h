#pragma once
// Rows of hub/path_index.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "db/db.h"
#include "hub/contents.h"

namespace hearth::hub {

using LastCommits = std::map<std::string, LastCommit, std::less<>>;

LastCommits path_rows(db::Tx& tx, std::string_view repo_id, const std::vector<std::string>& paths);
int64_t count_path_rows(db::Tx& tx, std::string_view repo_id);
void upsert_path_rows(db::Tx& tx, std::string_view repo_id, const LastCommits& rows);
void delete_path_rows(db::Tx& tx, std::string_view repo_id, const std::vector<std::string>& paths);
void delete_path_rows(db::Tx& tx, std::string_view repo_id);
/// Empty when there is no index.
std::string indexed_commit_of(db::Tx& tx, std::string_view repo_id);
/// Empty: drops the row.
void set_indexed_commit(db::Tx& tx, std::string_view repo_id, std::string_view commit_oid);

}  // namespace hearth::hub
