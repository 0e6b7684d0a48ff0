#pragma once
// Counting downloads, per day and repository (hub-api 5.5).

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "hub/repo.h"

namespace hearth::db {
class Database;
class Tx;
}  // namespace hearth::db

namespace hearth::hub {

struct DownloadCounts {
  int64_t month = 0;  // Last 30 days, with today
  int64_t all_time = 0;
};

struct DailyDownloads {
  std::string day;  // "2026-01-02", UTC
  int64_t count = 0;
};

/// Whether a GET or HEAD of this path is a download that counts.
///
/// Models: a query file, by library (config.json and its like; model_index.json for diffusers;
/// every
/// *.gguf; *.nemo). Datasets: any file. Spaces: none.
/// Source: the hosted hub's documentation, "Models download stats".
bool is_query_file(RepoType type, std::string_view library_name, std::string_view path);

/// Counts downloads. Safe from any thread.
///
/// Counts are kept in memory and written every two seconds by a thread of its own, so a download
/// never waits for the disk; a crash loses those of the last seconds, which is what a statistic
/// may.
class Downloads {
 public:
  Downloads(db::Database& database, const Clock& clock);
  ~Downloads();  // Writes what is left.
  Downloads(const Downloads&) = delete;
  Downloads& operator=(const Downloads&) = delete;

  /// One download by one client (an address, or a user's id): counted once in five minutes for each
  /// client and repository, so that the HEAD and the GET of one file, or the files of one dataset,
  /// are one. Windows are known to this process only. Never throws, never waits for the database.
  void count(const Repo& repo, std::string_view client);

  /// The same for a GET or HEAD of a file, if is_query_file says that it counts. Looks the library
  /// up only where it matters and no window is open. Never throws.
  void count_file(const Repo& repo, std::string_view path, std::string_view client) noexcept;

  /// How many were counted since this began.
  uint64_t counted() const;

  /// Writes what has been counted. Throws when the database does; nothing is lost then.
  void flush();

  static DownloadCounts read(db::Tx& tx, const std::string& repo_id);
  /// The last `day_count` days that have any, oldest first.
  std::vector<DailyDownloads> daily(const std::string& repo_id, int day_count);

  /// Works out the 30-day sums and trending scores of all repositories again: days pass without
  /// downloads too. The flushing thread does it once an hour.
  void refresh_ranks();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hearth::hub
