#include "db/db.h"

namespace hearth::db {
namespace {

constexpr std::string_view kSqlite =
    "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
constexpr std::string_view kPostgres = "SELECT pg_database_size(current_database())";

}  // namespace

int64_t Database::size_bytes() {
  return read([](Tx& tx) {
    const auto sql = tx.engine() == Engine::kSqlite ? kSqlite : kPostgres;
    return tx.query_one(sql)->get_int(0);
  });
}

}  // namespace hearth::db
