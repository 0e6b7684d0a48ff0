#include "hub/downloads_store.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kCount =
    "INSERT INTO repo_download (repo_id, day, count)"
    " SELECT id, ?2, ?3 FROM repo WHERE id = ?1 AND deleted_ms IS NULL"
    " ON CONFLICT (repo_id, day) DO UPDATE SET count = repo_download.count + excluded.count";
constexpr std::string_view kRank =
    "INSERT INTO repo_rank (repo_id, type, pipeline_tag, parameter_count, main_bytes, downloads,"
    " downloads_all_time, trending_score)"
    " SELECT id, type, '', -1, 0, ?2, ?2, ?2 FROM repo WHERE id = ?1"
    " AND deleted_ms IS NULL"
    " ON CONFLICT (repo_id) DO UPDATE SET downloads = repo_rank.downloads + excluded.downloads,"
    " downloads_all_time = repo_rank.downloads_all_time + excluded.downloads_all_time,"
    " trending_score = repo_rank.trending_score + excluded.trending_score";
constexpr std::string_view kRead =
    "SELECT downloads, downloads_all_time FROM repo_rank WHERE repo_id = ?1";
constexpr std::string_view kLibrary = "SELECT library_name FROM repo_facts WHERE repo_id = ?1";
constexpr std::string_view kDaily =
    "SELECT day, count FROM repo_download WHERE repo_id = ?1 AND day >= ?2 ORDER BY day";
constexpr std::string_view kRankedRepos =
    "SELECT repo_id FROM repo_rank WHERE repo_id > ?1 ORDER BY repo_id LIMIT ?2";
// The sums come from the days themselves, so that an error in a running sum does not stay.
constexpr std::string_view kRefresh =
    "UPDATE repo_rank SET"
    " downloads = (SELECT COALESCE(SUM(d.count), 0) FROM repo_download d"
    "  WHERE d.repo_id = repo_rank.repo_id AND d.day >= ?2),"
    " downloads_all_time = (SELECT COALESCE(SUM(d.count), 0) FROM repo_download d"
    "  WHERE d.repo_id = repo_rank.repo_id),"
    " trending_score = (SELECT COALESCE(SUM(d.count), 0) FROM repo_download d"
    "  WHERE d.repo_id = repo_rank.repo_id AND d.day >= ?3)"
    " WHERE repo_id IN {{list ?1}}"
    " AND EXISTS (SELECT 1 FROM repo_download d WHERE d.repo_id = repo_rank.repo_id)";

}  // namespace

void add_downloads(db::Tx& tx, const std::vector<CountedDownloads>& counted) {
  std::vector<db::Params> days;
  std::vector<db::Params> ranks;
  for (const CountedDownloads& one : counted) {
    days.push_back({one.repo_id, one.day, one.count});
    ranks.push_back({one.repo_id, one.count});
  }
  // A repository that has gone meanwhile has no row to select from and is left out.
  tx.execute_many(kCount, days);
  tx.execute_many(kRank, ranks);
}

DownloadCounts read_downloads(db::Tx& tx, const std::string& repo_id) {
  auto row = tx.query_one(kRead, {repo_id});
  if (!row) return {};
  return {.month = row->get_int(0), .all_time = row->get_int(1)};
}

std::vector<DailyDownloads> read_daily_downloads(db::Tx& tx, const std::string& repo_id,
                                                 const std::string& first_day) {
  std::vector<DailyDownloads> days;
  for (const db::Row& row : tx.query(kDaily, {repo_id, first_day})) {
    days.push_back({.day = row.get_text(0), .count = row.get_int(1)});
  }
  return days;
}

std::string read_library_name(db::Tx& tx, const std::string& repo_id) {
  auto row = tx.query_one(kLibrary, {repo_id});
  return row ? row->get_text(0) : std::string();
}

std::vector<std::string> ranked_repos(db::Tx& tx, const std::string& after_id, int64_t limit) {
  std::vector<std::string> ids;
  for (const db::Row& row : tx.query(kRankedRepos, {after_id, limit})) {
    ids.push_back(row.get_text(0));
  }
  return ids;
}

void refresh_ranks_of(db::Tx& tx, const std::vector<std::string>& repo_ids,
                      const std::string& month_begin, const std::string& week_begin) {
  tx.execute(kRefresh, {db::in_list(repo_ids), month_begin, week_begin});
}

}  // namespace hearth::hub
