#pragma once
// Rows of downloads and ranks; for hub/downloads.

#include <cstdint>
#include <string>
#include <vector>

#include "db/db.h"
#include "hub/downloads.h"

namespace hearth::hub {

struct CountedDownloads {
  std::string repo_id;
  std::string day;  // "2026-01-02"
  int64_t count = 0;
};

void add_downloads(db::Tx& tx, const std::vector<CountedDownloads>& counted);
DownloadCounts read_downloads(db::Tx& tx, const std::string& repo_id);
std::vector<DailyDownloads> read_daily_downloads(db::Tx& tx, const std::string& repo_id,
                                                 const std::string& first_day);
/// Empty when there is none.
std::string read_library_name(db::Tx& tx, const std::string& repo_id);
/// Ids of repositories that were ever downloaded, in order.
std::vector<std::string> ranked_repos(db::Tx& tx, const std::string& after_id, int64_t limit);
void refresh_ranks_of(db::Tx& tx, const std::vector<std::string>& repo_ids,
                      const std::string& month_begin, const std::string& week_begin);

}  // namespace hearth::hub
