#pragma once
// The hub put together: every part, in the order in which they need each other. The commands of the
// command line and the server use the same one.

#include <memory>
#include <string>

#include "api/answer_memory.h"
#include "api/api.h"
#include "api/rate_limit.h"
#include "app/settings.h"
#include "blob/blob.h"
#include "db/db.h"
#include "hub/accounts.h"
#include "hub/audit.h"
#include "hub/downloads.h"
#include "hub/gc.h"
#include "hub/installation.h"
#include "hub/likes.h"
#include "hub/list_sets.h"
#include "hub/listing.h"
#include "hub/parts.h"
#include "hub/scrub.h"
#include "hub/tasks.h"
#include "metrics/metrics.h"
#include "xet/xet.h"

namespace hearth::app {

/// Everything but the server. Several processes may have one on the same data folder.
class Instance {
 public:
  /// Makes the data folder's parts that are missing, opens the database and migrates it.
  /// Throws Error with a sentence for the operator.
  explicit Instance(Settings settings, const Clock& clock = system_clock());

  const Settings settings;
  const Clock& clock;
  /// 32 random bytes in DATA/secret.key (mode 0600), made at the first start. Signed URLs and Xet
  /// tokens are worth nothing after it is changed.
  const std::string secret;
  std::unique_ptr<db::Database> database;
  /// Says that the data folder and the database belong together.
  const hub::Installation installation;
  /// Filled by app/hub_metrics and by the server; other parts add what they know.
  metrics::Registry metrics;
  hub::Access access;
  hub::Audit audit;
  hub::Tasks tasks;
  hub::Accounts accounts;
  blob::BlobStore blobs;
  xet::XetStore large_files;
  hub::RepositoryParts parts;
  hub::GarbageCollector gc;
  hub::Scrubber scrubber;
  hub::Listing listing;
  hub::ListSets list_sets;
  hub::Downloads downloads;
  hub::Likes likes;
  api::RateLimiter rate_limiter;
  api::AnswerMemory answers;

  hub::HubContext context();
  api::Services services();
  /// Gives the runner a handler for each kind of task of this program.
  void register_tasks(hub::TaskRunner& runner);
};

/// Whether a data folder was ever started: commands that only read refuse to make one.
bool is_data_folder(const fs::path& data_dir);

/// Holds DATA/run/server.lock, so that one server works on a folder. Throws Error{kConflict} that
/// says so when another process holds it.
class DataLock {
 public:
  explicit DataLock(const fs::path& data_dir);
  /// Whether a server holds the folder now.
  static bool is_held(const fs::path& data_dir);

 private:
  Fd fd_;
};

}  // namespace hearth::app
