#include "hub/scrub_store.h"

namespace hearth::hub {

std::optional<ScrubState> find_scrub_state(db::Tx& tx, std::string_view kind) {
  constexpr std::string_view kSql =
      "SELECT began_ms, after_name, whole_since_ms, ended_ms, read_count, read_bytes FROM scrub"
      " WHERE kind = ?1";
  auto row = tx.query_one(kSql, {kind});
  if (!row) return std::nullopt;
  return ScrubState{.began_ms = row->get_optional_int(0),
                    .after = row->get_text(1),
                    .whole_since_ms = row->get_int(2),
                    .ended_ms = row->get_optional_int(3),
                    .read_count = row->get_int(4),
                    .read_bytes = row->get_int(5)};
}

ScrubState scrub_state(db::Database& database, std::string_view kind, int64_t now_ms) {
  auto find = [&](db::Tx& tx) { return find_scrub_state(tx, kind); };
  if (auto found = database.read(find)) return *found;  // But for the first time: nothing to write.
  return database.write([&](db::Tx& tx) {
    if (auto found = find(tx)) return *found;
    ScrubState state{.whole_since_ms = now_ms};
    put_scrub_state(tx, kind, state);
    return state;
  });
}

void put_scrub_state(db::Tx& tx, std::string_view kind, const ScrubState& state) {
  constexpr std::string_view kSql =
      "INSERT INTO scrub (kind, began_ms, after_name, whole_since_ms, ended_ms, read_count,"
      " read_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (kind) DO UPDATE SET"
      " began_ms = excluded.began_ms, after_name = excluded.after_name,"
      " whole_since_ms = excluded.whole_since_ms, ended_ms = excluded.ended_ms,"
      " read_count = excluded.read_count, read_bytes = excluded.read_bytes";
  tx.execute(kSql, {kind, state.began_ms, state.after, state.whole_since_ms, state.ended_ms,
                    state.read_count, state.read_bytes});
}

std::vector<DamagedFile> damaged_files(db::Tx& tx) {
  constexpr std::string_view kSql =
      "SELECT kind, name, why, found_ms FROM damaged ORDER BY kind, name";
  std::vector<DamagedFile> files;
  for (const db::Row& row : tx.query(kSql)) {
    files.push_back({.kind = row.get_text(0),
                     .name = row.get_text(1),
                     .why = row.get_text(2),
                     .found_ms = row.get_int(3)});
  }
  return files;
}

bool is_damaged(db::Tx& tx, std::string_view kind, std::string_view name) {
  constexpr std::string_view kSql = "SELECT 1 FROM damaged WHERE kind = ?1 AND name = ?2";
  return tx.query_one(kSql, {kind, name}).has_value();
}

bool insert_damaged(db::Tx& tx, const DamagedFile& file) {
  constexpr std::string_view kSql =
      "INSERT INTO damaged (kind, name, why, found_ms) VALUES (?1, ?2, ?3, ?4)"
      " ON CONFLICT (kind, name) DO NOTHING";
  return tx.execute(kSql, {file.kind, file.name, file.why, file.found_ms}) > 0;
}

bool delete_damaged(db::Tx& tx, std::string_view kind, std::string_view name) {
  return tx.execute("DELETE FROM damaged WHERE kind = ?1 AND name = ?2", {kind, name}) > 0;
}

}  // namespace hearth::hub
