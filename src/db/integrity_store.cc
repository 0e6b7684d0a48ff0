// What the database itself can say about damage to its files.

#include "db/db.h"

namespace hearth::db {
namespace {

constexpr std::string_view kCheckPages = "PRAGMA integrity_check(20)";
constexpr std::string_view kCheckReferences =
    "SELECT \"table\", count(*) FROM pragma_foreign_key_check GROUP BY \"table\"";
// Counted by the server since it was set up, when it keeps sums of its pages (initdb -k).
constexpr std::string_view kPostgresFailures =
    "SELECT coalesce(checksum_failures, 0) FROM pg_stat_database"
    " WHERE datname = current_database()";

}  // namespace

std::vector<std::string> Database::integrity_problems() {
  return read([](Tx& tx) {
    std::vector<std::string> problems;
    if (tx.engine() == Engine::kPostgres) {
      const int64_t failures = tx.query_one(kPostgresFailures)->get_int(0);
      if (failures > 0) {
        problems.push_back("PostgreSQL has met " + std::to_string(failures) +
                           " damaged pages of this database; its log names them");
      }
      return problems;
    }
    for (const Row& row : tx.query(kCheckPages)) {
      if (row.get_text(0) != "ok") problems.push_back("database: " + row.get_text(0));
    }
    for (const Row& row : tx.query(kCheckReferences)) {
      problems.push_back("database: " + std::to_string(row.get_int(1)) + " rows of " +
                         row.get_text(0) + " refer to rows that are not there");
    }
    return problems;
  });
}

}  // namespace hearth::db
