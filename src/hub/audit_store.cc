#include "base/error.h"
#include "hub/audit.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kInsert =
    "INSERT INTO audit (time_ms, actor_id, actor_name, remote_address, action, target, detail)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

// One statement for each combination, so that each has its index.
constexpr std::string_view kColumns =
    "SELECT seq, time_ms, actor_id, actor_name, remote_address, action, target, detail FROM audit ";
constexpr std::string_view kAll = "WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";
constexpr std::string_view kByTarget = "WHERE target = ?3 AND seq < ?1 ORDER BY seq DESC LIMIT ?2";
constexpr std::string_view kByActor = "WHERE actor_id = ?3 AND seq < ?1 ORDER BY seq DESC LIMIT ?2";
constexpr std::string_view kByBoth =
    "WHERE target = ?3 AND actor_id = ?4 AND seq < ?1 ORDER BY seq DESC LIMIT ?2";

AuditEntry entry_of(const db::Row& row) {
  AuditEntry entry;
  entry.seq = row.get_int(0);
  entry.time_ms = row.get_int(1);
  entry.actor.user_id = row.get_optional_text(2).value_or("");
  entry.actor.name = row.get_text(3);
  entry.actor.remote_address = row.get_text(4);
  entry.action = row.get_text(5);
  entry.target = row.get_text(6);
  if (auto detail = parse_json(row.get_text(7)); detail && detail->is_object()) {
    entry.detail = std::move(detail->as_object());
  }
  return entry;
}

}  // namespace

Actor Actor::of(const Identity& identity, std::string_view remote_address) {
  return {.user_id = identity.user_id,
          .name = identity.name,
          .remote_address = std::string(remote_address)};
}

Actor Actor::stranger(std::string_view remote_address) {
  return {.user_id = {}, .name = "(stranger)", .remote_address = std::string(remote_address)};
}

void Audit::append(db::Tx& tx, const Actor& actor, std::string_view action, std::string_view target,
                   const json::object& detail) const {
  const db::Value actor_id = actor.user_id.empty() ? db::Value() : db::Value(actor.user_id);
  tx.execute(kInsert, {clock_.now_ms(), actor_id, actor.name, actor.remote_address, action, target,
                       json::serialize(detail)});
}

std::vector<AuditEntry> Audit::list(const AuditFilter& filter) const {
  std::string sql(kColumns);
  db::Params params = {filter.before_seq.value_or(INT64_MAX), filter.limit};
  if (filter.target) params.emplace_back(*filter.target);
  if (filter.actor_id) params.emplace_back(*filter.actor_id);
  sql += filter.target && filter.actor_id ? kByBoth
         : filter.target                  ? kByTarget
         : filter.actor_id                ? kByActor
                                          : kAll;
  std::vector<AuditEntry> entries;
  const db::Rows rows = database_.read([&](db::Tx& tx) { return tx.query(sql, params); });
  for (const db::Row& row : rows) entries.push_back(entry_of(row));
  return entries;
}

}  // namespace hearth::hub
