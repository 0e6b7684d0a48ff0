// The schema's versions: each step is run once, in a transaction of its own that also notes it.

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/time.h"
#include "db/db.h"
#include "db/sql_text.h"

namespace hearth::db {
namespace {

constexpr std::string_view kMakeTable =
    "CREATE TABLE IF NOT EXISTS schema_version ("
    " version {{bigint}} PRIMARY KEY, name TEXT NOT NULL, applied_ms {{bigint}} NOT NULL)"
    " {{strict}}";
constexpr std::string_view kTableExistsSqlite =
    "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'";
constexpr std::string_view kTableExistsPostgres =
    "SELECT count(*) FROM pg_tables"
    " WHERE schemaname = current_schema() AND tablename = 'schema_version'";
constexpr std::string_view kApplied = "SELECT version FROM schema_version ORDER BY version";
constexpr std::string_view kNote =
    "INSERT INTO schema_version (version, name, applied_ms) VALUES (?1, ?2, ?3)";

std::set<int64_t> applied_versions(Tx& tx) {
  const bool sqlite = tx.engine() == Engine::kSqlite;
  std::set<int64_t> versions;
  if (tx.query_one(sqlite ? kTableExistsSqlite : kTableExistsPostgres)->get_int(0) == 0) {
    return versions;
  }
  for (const Row& row : tx.query(kApplied)) versions.insert(row.get_int(0));
  return versions;
}

}  // namespace

int64_t Database::schema_version() {
  return read([](Tx& tx) {
    const std::set<int64_t> versions = applied_versions(tx);
    return versions.empty() ? 0 : *versions.rbegin();
  });
}

void Database::migrate(const MigrateOptions& options) {
  migrate_with(migrations(), options);
}

void Database::migrate_with(const std::vector<Migration>& steps, const MigrateOptions& options) {
  const std::set<int64_t> before = read([](Tx& tx) { return applied_versions(tx); });
  const int64_t known_version = steps.empty() ? 0 : steps.back().version;
  if (!before.empty() && *before.rbegin() > known_version) {
    throw Error(ErrorKind::kUnavailable,
                "The database has schema version " + std::to_string(*before.rbegin()) +
                    ", but this program knows only version " + std::to_string(known_version) +
                    ". Start it with the newer program that last used it.");
  }
  const bool complete = std::all_of(steps.begin(), steps.end(), [&before](const Migration& step) {
    return before.contains(step.version);
  });
  if (complete && !steps.empty()) return;

  with_migration_lock([&] {
    if (!before.empty()) back_up(options.backup_folder, *before.rbegin());
    write([this](Tx& tx) { tx.run_script(translate_migration(engine(), kMakeTable)); });
    for (const Migration& step : steps) {
      write([&](Tx& tx) {
        if (applied_versions(tx).contains(step.version)) return;
        tx.run_script(translate_migration(engine(), step.sql));
        tx.execute(kNote, {step.version, step.name, system_clock().now_ms()});
        tx.after_commit([&step] {
          log_debug("The database has now schema version {} ({}).", step.version, step.name);
        });
      });
    }
  });
}

}  // namespace hearth::db
