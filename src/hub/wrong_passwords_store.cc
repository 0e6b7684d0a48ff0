#include "hub/wrong_passwords_store.h"

namespace hearth::hub::wrong_passwords_store {

std::optional<Tries> find(db::Tx& tx, const Bytes& name_hash, std::string_view address) {
  constexpr std::string_view kSql =
      "SELECT wrong_count, since_ms, blocked_until_ms, known_until_ms, forget_ms"
      " FROM wrong_password WHERE name_hash = ?1 AND address = ?2";
  const auto row = tx.query_one(kSql, {name_hash, address});
  if (!row) return std::nullopt;
  return Tries{.wrong_count = row->get_int(0),
               .since_ms = row->get_int(1),
               .blocked_until_ms = row->get_int(2),
               .known_until_ms = row->get_int(3),
               .forget_ms = row->get_int(4)};
}

void set(db::Tx& tx, const Bytes& name_hash, std::string_view address, const Tries& tries) {
  constexpr std::string_view kSql =
      "INSERT INTO wrong_password (name_hash, address, wrong_count, since_ms, blocked_until_ms,"
      " known_until_ms, forget_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
      " ON CONFLICT (name_hash, address) DO UPDATE SET wrong_count = excluded.wrong_count,"
      " since_ms = excluded.since_ms, blocked_until_ms = excluded.blocked_until_ms,"
      " known_until_ms = excluded.known_until_ms, forget_ms = excluded.forget_ms";
  tx.execute(kSql, {name_hash, address, tries.wrong_count, tries.since_ms, tries.blocked_until_ms,
                    tries.known_until_ms, tries.forget_ms});
}

void remove(db::Tx& tx, const Bytes& name_hash) {
  constexpr std::string_view kSql = "DELETE FROM wrong_password WHERE name_hash = ?1";
  tx.execute(kSql, {name_hash});
}

void remove_forgotten(db::Tx& tx, int64_t now_ms) {
  constexpr std::string_view kSql = "DELETE FROM wrong_password WHERE forget_ms <= ?1";
  tx.execute(kSql, {now_ms});
}

void remove_beyond(db::Tx& tx, int64_t now_ms, int64_t rows_max) {
  constexpr std::string_view kCount = "SELECT COUNT(*) FROM wrong_password";
  constexpr std::string_view kSql =
      "DELETE FROM wrong_password WHERE (name_hash, address) IN"
      " (SELECT name_hash, address FROM wrong_password every_one"
      " ORDER BY CASE WHEN blocked_until_ms > ?1 OR known_until_ms > ?1"
      " THEN 1 ELSE 0 END, wrong_count, forget_ms"
      " LIMIT ?2)";
  const int64_t too_many = tx.query_one(kCount)->get_int(0) - rows_max;
  if (too_many > 0) tx.execute(kSql, {now_ms, too_many});
}

}  // namespace hearth::hub::wrong_passwords_store
