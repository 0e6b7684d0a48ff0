#pragma once
// Whether the hub should be sent requests: what GET /ready says, and 'hearth doctor'.

#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <vector>

#include "api/api.h"
#include "base/fs.h"
#include "db/db.h"

namespace hearth::app {

/// Below this the next upload may fail: as much as one xorb of hf-xet (64 MiB).
constexpr uint64_t kReadyFreeBytes = uint64_t{64} << 20;

/// What keeps a hub from storing anything in this folder, as a sentence; nothing when it can. Tries
/// it with a file that has no name.
std::optional<std::string> data_folder_problem(const fs::path& data_dir);

/// Safe from any thread.
class Readiness {
 public:
  Readiness(fs::path data_dir, db::Database& database)
      : data_dir_(std::move(data_dir)), database_(database) {}

  /// The start is over: the database is this program's, the indexes know every ref, ports are open.
  void set_started() { started_ = true; }
  /// The server will stop: whoever shares requests out shall go elsewhere.
  void set_draining() { draining_ = true; }

  /// What is not ready; empty: all is. Takes at most about two seconds.
  std::vector<api::NotReady> look();

 private:
  std::optional<std::string> database_problem();

  const fs::path data_dir_;
  db::Database& database_;
  std::atomic<bool> started_{false};
  std::atomic<bool> draining_{false};
  std::mutex mutex_;
  // The question that a database has not answered yet: no second one is asked meanwhile.
  std::shared_future<std::optional<std::string>> asked_;
};

}  // namespace hearth::app
