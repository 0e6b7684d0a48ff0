#include "db/db.h"
#include "hub/figures.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kRepositories =
    "SELECT type, COUNT(*), COUNT(deleted_ms), CAST(SUM(git_bytes) AS BIGINT)"
    " FROM repo GROUP BY type";

constexpr std::string_view kTotals =
    "SELECT (SELECT COUNT(*) FROM account), (SELECT COUNT(*) FROM organisation),"
    " (SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM repo_lfs),"
    " (SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM xet_file),"
    " (SELECT CAST(COALESCE(SUM(packed_bytes), 0) AS BIGINT) FROM xorb)";

}  // namespace

Figures read_figures(db::Database& database) {
  return database.read([](db::Tx& tx) {
    Figures figures;
    for (const db::Row& row : tx.query(kRepositories)) {
      const auto type = parse_repo_type(row.get_text(0));
      HEARTH_ASSERT(type.has_value(), "the table knows the types of repositories");
      figures.repositories.push_back({.type = *type,
                                      .count = row.get_int(1),
                                      .deleted_count = row.get_int(2),
                                      .git_bytes = row.get_int(3)});
    }
    const db::Row totals = *tx.query_one(kTotals);
    figures.user_count = totals.get_int(0);
    figures.organisation_count = totals.get_int(1);
    figures.named_bytes = totals.get_int(2);
    figures.chunked_bytes = totals.get_int(3);
    figures.xorb_bytes = totals.get_int(4);
    return figures;
  });
}

}  // namespace hearth::hub
