#include "hub/likes_store.h"

namespace hearth::hub {
namespace {

void move_count(db::Tx& tx, std::string_view repo_id, int64_t by) {
  constexpr std::string_view kSql = "UPDATE repo SET likes = likes + ?2 WHERE id = ?1";
  tx.execute(kSql, {repo_id, by});
}

}  // namespace

void insert_like(db::Tx& tx, std::string_view repo_id, std::string_view user_id, int64_t now_ms) {
  // A repository that was deleted meanwhile has no row to select from.
  constexpr std::string_view kSql =
      "INSERT INTO repo_like (repo_id, user_id, created_ms)"
      " SELECT id, ?2, ?3 FROM repo WHERE id = ?1 AND deleted_ms IS NULL"
      " ON CONFLICT (repo_id, user_id) DO NOTHING";
  if (tx.execute(kSql, {repo_id, user_id, now_ms}) == 1) move_count(tx, repo_id, 1);
}

void delete_like(db::Tx& tx, std::string_view repo_id, std::string_view user_id) {
  constexpr std::string_view kSql = "DELETE FROM repo_like WHERE repo_id = ?1 AND user_id = ?2";
  if (tx.execute(kSql, {repo_id, user_id}) == 1) move_count(tx, repo_id, -1);
}

std::vector<Liker> read_likers(db::Tx& tx, std::string_view repo_id, std::string_view after,
                               size_t limit) {
  constexpr std::string_view kSql =
      "SELECT l.user_id, n.name, a.fullname FROM repo_like l"
      " JOIN namespace n ON n.id = l.user_id JOIN account a ON a.id = l.user_id"
      " WHERE l.repo_id = ?1 AND l.user_id > ?2 ORDER BY l.user_id LIMIT ?3";
  std::vector<Liker> likers;
  for (const db::Row& row : tx.query(kSql, {repo_id, after, static_cast<int64_t>(limit)})) {
    likers.push_back({row.get_text(0), row.get_text(1), row.get_text(2)});
  }
  return likers;
}

std::vector<std::pair<std::string, int64_t>> read_liked(db::Tx& tx, std::string_view user_id,
                                                        std::string_view after, size_t limit) {
  constexpr std::string_view kSql =
      "SELECT repo_id, created_ms FROM repo_like WHERE user_id = ?1 AND repo_id > ?2"
      " ORDER BY repo_id LIMIT ?3";
  std::vector<std::pair<std::string, int64_t>> liked;
  for (const db::Row& row : tx.query(kSql, {user_id, after, static_cast<int64_t>(limit)})) {
    liked.emplace_back(row.get_text(0), row.get_int(1));
  }
  return liked;
}

}  // namespace hearth::hub
