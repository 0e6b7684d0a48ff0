#include "hub/lfs_files_store.h"

namespace hearth::hub {

void insert_lfs_deletions(db::Tx& tx, std::string_view repo_id,
                          const std::vector<std::string>& sha256s, const Actor& by,
                          int64_t now_ms) {
  constexpr std::string_view kSql =
      "INSERT INTO lfs_deletion (repo_id, sha256, user_id, deleted_ms) VALUES (?1, ?2, ?3, ?4)"
      " ON CONFLICT (repo_id, sha256) DO NOTHING";
  std::vector<db::Params> rows;
  for (const std::string& sha256 : sha256s) rows.push_back({repo_id, sha256, by.user_id, now_ms});
  if (!rows.empty()) tx.execute_many(kSql, rows);
}

void delete_lfs_deletions(db::Tx& tx, std::string_view repo_id,
                          const std::vector<std::string>& sha256s) {
  constexpr std::string_view kSql =
      "DELETE FROM lfs_deletion WHERE repo_id = ?1 AND sha256 IN {{list ?2}}";
  if (!sha256s.empty()) tx.execute(kSql, {repo_id, db::in_list(sha256s)});
}

void copy_lfs_deletions(db::Tx& tx, std::string_view from_repo_id, std::string_view to_repo_id) {
  constexpr std::string_view kSql =
      "INSERT INTO lfs_deletion (repo_id, sha256, user_id, deleted_ms)"
      " SELECT ?2, sha256, user_id, deleted_ms FROM lfs_deletion WHERE repo_id = ?1"
      " ON CONFLICT (repo_id, sha256) DO NOTHING";
  tx.execute(kSql, {from_repo_id, to_repo_id});
}

std::set<std::string> lfs_deletions(db::Tx& tx, std::string_view repo_id) {
  constexpr std::string_view kSql = "SELECT sha256 FROM lfs_deletion WHERE repo_id = ?1";
  std::set<std::string> deleted;
  for (const db::Row& row : tx.query(kSql, {repo_id})) deleted.insert(row.get_text(0));
  return deleted;
}

bool is_lfs_deletion(db::Tx& tx, std::string_view repo_id, std::string_view sha256) {
  constexpr std::string_view kSql = "SELECT 1 FROM lfs_deletion WHERE repo_id = ?1 AND sha256 = ?2";
  return tx.query_one(kSql, {repo_id, sha256}).has_value();
}

}  // namespace hearth::hub
