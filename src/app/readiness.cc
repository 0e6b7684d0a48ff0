#include "app/readiness.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <fcntl.h>
#include <sys/statvfs.h>

#include "base/log.h"

namespace hearth::app {
namespace {

// Load balancers wait a few seconds for an answer (HAProxy's default interval is 2 s).
constexpr auto kDatabaseWait = std::chrono::milliseconds(1'500);

std::string mebibytes(uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

std::optional<std::string> ask(db::Database& database) {
  try {
    const int64_t version = database.schema_version();
    const int64_t wanted = db::migrations().back().version;
    if (version == wanted) return std::nullopt;
    log_warning("not ready: the database is of schema version {}, this program works with {}",
                version, wanted);
    return "The database is of another version than this program: start the one that belongs to "
           "it. The hub's log says more.";
  } catch (const std::exception&) {  // The log says more.
    return "The database cannot be read. The hub's log says why.";
  }
}

}  // namespace

std::optional<std::string> data_folder_problem(const fs::path& data_dir) {
  // Anybody may ask: the path is for the log.
  const std::string in_vain = "Nothing can be stored in the data folder: ";
  struct statvfs disk{};
  if (::statvfs(data_dir.c_str(), &disk) != 0) return in_vain + std::strerror(errno) + ".";
  const uint64_t free_bytes = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (free_bytes < kReadyFreeBytes) {
    return "The disk of the data folder has " + mebibytes(free_bytes) + " left, and " +
           mebibytes(kReadyFreeBytes) + " are wanted: make room.";
  }
  const Fd probe(::open(data_dir.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  constexpr std::array<uint8_t, 4096> kPage{};
  // EOPNOTSUPP and EISDIR: file systems that cannot do without a name (open(2)).
  if (!probe && (errno == EOPNOTSUPP || errno == EISDIR)) return std::nullopt;
  if (!probe) return in_vain + std::strerror(errno) + ".";
  try {
    write_all(probe, kPage);
  } catch (const Error& error) {
    return in_vain + error.message();
  }
  return std::nullopt;
}

std::vector<api::NotReady> Readiness::look() {
  std::vector<api::NotReady> found;
  if (draining_) found.push_back({"draining", "The hub is about to stop."});
  if (!started_) found.push_back({"starting", "The hub has not started yet."});
  if (auto problem = data_folder_problem(data_dir_)) found.push_back({"disk", *problem});
  if (auto problem = database_problem()) found.push_back({"database", *problem});
  return found;
}

std::optional<std::string> Readiness::database_problem() {
  std::shared_future<std::optional<std::string>> answer;
  {
    std::lock_guard lock(mutex_);
    const bool is_over =
        !asked_.valid() || asked_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    if (is_over) asked_ = std::async(std::launch::async, [this] { return ask(database_); });
    answer = asked_;
  }
  if (answer.wait_for(kDatabaseWait) == std::future_status::ready) return answer.get();
  return "The database does not answer.";
}

}  // namespace hearth::app
