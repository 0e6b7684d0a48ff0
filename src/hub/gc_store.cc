#include "hub/gc_store.h"

namespace hearth::hub {

GcRepoRow find_gc_row(db::Tx& tx, std::string_view repo_id) {
  constexpr std::string_view kSql =
      "SELECT marked_refs, rights_due, git_refs, git_done_ms FROM gc_repo WHERE repo_id = ?1";
  auto row = tx.query_one(kSql, {repo_id});
  if (!row) return {};
  return {row->get_text(0), row->get_bool(1), row->get_text(2), row->get_int(3)};
}

void put_gc_row(db::Tx& tx, std::string_view repo_id, const GcRepoRow& row) {
  constexpr std::string_view kSql =
      "INSERT INTO gc_repo (repo_id, marked_refs, rights_due, git_refs, git_done_ms)"
      " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (repo_id) DO UPDATE SET"
      " marked_refs = excluded.marked_refs, rights_due = excluded.rights_due,"
      " git_refs = excluded.git_refs, git_done_ms = excluded.git_done_ms";
  tx.execute(kSql, {repo_id, row.marked_refs, row.rights_due, row.git_refs, row.git_done_ms});
}

void forget_marked_refs(db::Tx& tx, std::string_view repo_id) {
  tx.execute("UPDATE gc_repo SET marked_refs = '' WHERE repo_id = ?1", {repo_id});
}

void set_rights_due(db::Tx& tx, std::string_view repo_id) {
  GcRepoRow row = find_gc_row(tx, repo_id);
  row.rights_due = true;
  put_gc_row(tx, repo_id, row);
}

bool any_to_mark(db::Tx& tx, std::string_view repo_id) {
  constexpr std::string_view kSql =
      "SELECT 1 FROM repo_lfs l WHERE l.repo_id = ?1 AND (l.unused_ms IS NOT NULL OR NOT EXISTS"
      " (SELECT 1 FROM pointer p WHERE p.repo_id = l.repo_id AND p.sha256 = l.sha256)) LIMIT 1";
  return tx.query_one(kSql, {repo_id}).has_value();
}

void mark_unused(db::Tx& tx, std::string_view repo_id, int64_t now_ms) {
  constexpr std::string_view kUsedAgain =
      "UPDATE repo_lfs SET unused_ms = NULL WHERE repo_id = ?1 AND unused_ms IS NOT NULL"
      " AND EXISTS (SELECT 1 FROM pointer p WHERE p.repo_id = repo_lfs.repo_id"
      " AND p.sha256 = repo_lfs.sha256)";
  constexpr std::string_view kUnused =
      "UPDATE repo_lfs SET unused_ms = ?2 WHERE repo_id = ?1 AND unused_ms IS NULL"
      " AND NOT EXISTS (SELECT 1 FROM pointer p WHERE p.repo_id = repo_lfs.repo_id"
      " AND p.sha256 = repo_lfs.sha256)";
  tx.execute(kUsedAgain, {repo_id});
  tx.execute(kUnused, {repo_id, now_ms});
}

UnusedObjects count_unused(db::Tx& tx, std::string_view repo_id, int64_t before_ms) {
  constexpr std::string_view kSql =
      "SELECT l.size_bytes, l.unused_ms FROM repo_lfs l WHERE l.repo_id = ?1"
      " AND l.unused_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM pointer p"
      " WHERE p.repo_id = l.repo_id AND p.sha256 = l.sha256)";
  UnusedObjects found;
  tx.for_each(kSql, {repo_id}, [&](const db::Row& row) {
    auto& kind = row.get_int(1) < before_ms ? found.over : found.waiting;
    kind.add(static_cast<uint64_t>(row.get_int(0)));
    return true;
  });
  return found;
}

void delete_unused(db::Tx& tx, std::string_view repo_id, int64_t before_ms) {
  constexpr std::string_view kSql =
      "DELETE FROM repo_lfs WHERE repo_id = ?1 AND unused_ms < ?2 AND NOT EXISTS"
      " (SELECT 1 FROM pointer p WHERE p.repo_id = repo_lfs.repo_id"
      " AND p.sha256 = repo_lfs.sha256)";
  tx.execute(kSql, {repo_id, before_ms});
}

int64_t last_task_ms(db::Tx& tx, std::string_view kind) {
  constexpr std::string_view kSql =
      "SELECT created_ms FROM task WHERE kind = ?1 ORDER BY created_ms DESC, id DESC LIMIT 1";
  auto row = tx.query_one(kSql, {kind});
  return row ? row->get_int(0) : 0;
}

}  // namespace hearth::hub
