#include "hub/receive_store.h"

namespace hearth::hub {
namespace {

void insert_row(db::Tx& tx, const RefUpdateRow& row, std::string_view state) {
  constexpr std::string_view kSql =
      "INSERT INTO ref_update (id, repo_id, ref, old_oid, new_oid, kind, payload, user_id,"
      " user_name, remote_address, created_ms, state)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
  tx.execute(kSql, {row.id, row.repo_id, row.ref, row.old_oid, row.new_oid, row.kind,
                    json::serialize(row.payload), row.actor.user_id, row.actor.name,
                    row.actor.remote_address, row.created_ms, state});
}

}  // namespace

void insert_pending(db::Tx& tx, const RefUpdateRow& row) {
  insert_row(tx, row, "pending");
}

void insert_done(db::Tx& tx, const RefUpdateRow& row) {
  insert_row(tx, row, "done");
}

bool mark_done(db::Tx& tx, std::string_view id) {
  constexpr std::string_view kSql =
      "UPDATE ref_update SET state = 'done' WHERE id = ?1 AND state <> 'done'";
  return tx.execute(kSql, {id}) > 0;
}

void mark_dropped(db::Tx& tx, std::string_view id) {
  constexpr std::string_view kSql =
      "UPDATE ref_update SET state = 'dropped' WHERE id = ?1 AND state = 'pending'";
  tx.execute(kSql, {id});
}

std::vector<RefUpdateRow> pending_rows(db::Tx& tx, std::string_view repo_id) {
  constexpr std::string_view kSql =
      "SELECT id, ref, old_oid, new_oid, kind, payload, user_id, user_name, remote_address,"
      " created_ms FROM ref_update WHERE repo_id = ?1 AND state = 'pending' ORDER BY created_ms";
  std::vector<RefUpdateRow> rows;
  for (const db::Row& row : tx.query(kSql, {repo_id})) {
    RefUpdateRow update;
    update.id = row.get_text(0);
    update.repo_id = repo_id;
    update.ref = row.get_text(1);
    update.old_oid = row.get_text(2);
    update.new_oid = row.get_text(3);
    update.kind = row.get_text(4);
    update.payload = parse_json_object(row.get_text(5));
    update.actor = {
        .user_id = row.get_text(6), .name = row.get_text(7), .remote_address = row.get_text(8)};
    update.created_ms = row.get_int(9);
    rows.push_back(std::move(update));
  }
  return rows;
}

std::vector<std::string> repos_with_pending_rows(db::Tx& tx) {
  constexpr std::string_view kSql =
      "SELECT DISTINCT repo_id FROM ref_update WHERE state = 'pending'";
  std::vector<std::string> ids;
  for (const db::Row& row : tx.query(kSql)) ids.push_back(row.get_text(0));
  return ids;
}

namespace {

void write_pointers(db::Tx& tx, std::string_view sql, std::string_view repo_id,
                    const std::vector<PointerRow>& pointers) {
  std::vector<db::Params> rows;
  rows.reserve(pointers.size());
  for (const PointerRow& pointer : pointers) {
    rows.push_back(
        {repo_id, pointer.blob_oid, pointer.sha256, pointer.size_bytes, pointer.pointer_bytes});
  }
  if (!rows.empty()) tx.execute_many(sql, rows);
}

}  // namespace

void insert_pointers(db::Tx& tx, std::string_view repo_id,
                     const std::vector<PointerRow>& pointers) {
  constexpr std::string_view kSql =
      "INSERT INTO pointer (repo_id, blob_oid, sha256, size_bytes, pointer_bytes)"
      " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (repo_id, blob_oid) DO NOTHING";
  write_pointers(tx, kSql, repo_id, pointers);
}

void put_pointers(db::Tx& tx, std::string_view repo_id, const std::vector<PointerRow>& pointers) {
  constexpr std::string_view kSql =
      "INSERT INTO pointer (repo_id, blob_oid, sha256, size_bytes, pointer_bytes)"
      " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (repo_id, blob_oid) DO UPDATE SET"
      " sha256 = excluded.sha256, size_bytes = excluded.size_bytes,"
      " pointer_bytes = excluded.pointer_bytes";
  write_pointers(tx, kSql, repo_id, pointers);
}

std::map<std::string, PointerRow> all_pointer_rows(db::Tx& tx, std::string_view repo_id) {
  constexpr std::string_view kSql =
      "SELECT blob_oid, sha256, size_bytes, pointer_bytes FROM pointer WHERE repo_id = ?1";
  std::map<std::string, PointerRow> rows;
  tx.for_each(kSql, {repo_id}, [&](const db::Row& row) {
    rows[row.get_text(0)] = {row.get_text(0), row.get_text(1),
                             static_cast<uint64_t>(row.get_int(2)),
                             static_cast<uint64_t>(row.get_int(3))};
    return true;
  });
  return rows;
}

void delete_pointers(db::Tx& tx, std::string_view repo_id,
                     const std::vector<std::string>& blob_oids) {
  constexpr std::string_view kSql =
      "DELETE FROM pointer WHERE repo_id = ?1 AND blob_oid IN {{list ?2}}";
  if (!blob_oids.empty()) tx.execute(kSql, {repo_id, db::in_list(blob_oids)});
}

std::optional<RefHead> find_ref_head(db::Tx& tx, std::string_view repo_id, std::string_view ref) {
  constexpr std::string_view kSql =
      "SELECT commit_oid, commit_count FROM ref_head WHERE repo_id = ?1 AND ref = ?2";
  auto row = tx.query_one(kSql, {repo_id, ref});
  if (!row) return std::nullopt;
  return RefHead{row->get_text(0), static_cast<uint64_t>(row->get_int(1))};
}

std::map<std::string, RefHead> ref_heads(db::Tx& tx, std::string_view repo_id) {
  constexpr std::string_view kSql =
      "SELECT ref, commit_oid, commit_count FROM ref_head WHERE repo_id = ?1";
  std::map<std::string, RefHead> heads;
  for (const db::Row& row : tx.query(kSql, {repo_id})) {
    heads[row.get_text(0)] = {row.get_text(1), static_cast<uint64_t>(row.get_int(2))};
  }
  return heads;
}

void set_ref_head(db::Tx& tx, std::string_view repo_id, std::string_view ref, const RefHead& head) {
  constexpr std::string_view kSql =
      "INSERT INTO ref_head (repo_id, ref, commit_oid, commit_count) VALUES (?1, ?2, ?3, ?4)"
      " ON CONFLICT (repo_id, ref) DO UPDATE SET commit_oid = excluded.commit_oid,"
      " commit_count = excluded.commit_count";
  tx.execute(kSql, {repo_id, ref, head.commit_oid, head.commit_count});
}

void delete_ref_head(db::Tx& tx, std::string_view repo_id, std::string_view ref) {
  constexpr std::string_view kSql = "DELETE FROM ref_head WHERE repo_id = ?1 AND ref = ?2";
  tx.execute(kSql, {repo_id, ref});
}

std::map<std::string, std::string> ref_tags(db::Tx& tx, std::string_view repo_id) {
  constexpr std::string_view kSql = "SELECT ref, target_oid FROM ref_tag WHERE repo_id = ?1";
  std::map<std::string, std::string> tags;
  for (const db::Row& row : tx.query(kSql, {repo_id})) tags[row.get_text(0)] = row.get_text(1);
  return tags;
}

std::optional<std::string> find_ref_tag(db::Tx& tx, std::string_view repo_id,
                                        std::string_view ref) {
  constexpr std::string_view kSql =
      "SELECT target_oid FROM ref_tag WHERE repo_id = ?1 AND ref = ?2";
  auto row = tx.query_one(kSql, {repo_id, ref});
  if (!row) return std::nullopt;
  return row->get_text(0);
}

void set_ref_tag(db::Tx& tx, std::string_view repo_id, std::string_view ref,
                 std::string_view target_oid) {
  constexpr std::string_view kSql =
      "INSERT INTO ref_tag (repo_id, ref, target_oid) VALUES (?1, ?2, ?3)"
      " ON CONFLICT (repo_id, ref) DO UPDATE SET target_oid = excluded.target_oid";
  tx.execute(kSql, {repo_id, ref, target_oid});
}

void delete_ref_tag(db::Tx& tx, std::string_view repo_id, std::string_view ref) {
  constexpr std::string_view kSql = "DELETE FROM ref_tag WHERE repo_id = ?1 AND ref = ?2";
  tx.execute(kSql, {repo_id, ref});
}

}  // namespace hearth::hub
