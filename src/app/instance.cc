#include "app/instance.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/backup.h"
#include "base/log.h"

namespace hearth::app {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr uint64_t kAnswerMemoryBytes = 16u
                                        << 20;  // A few thousand answers; the idle hub stays small.
constexpr int64_t kAfterBackupMs = 5'000;       // Between looks whether a backup has ended.

fs::path made(const fs::path& data_dir) {
  make_dirs(fs::absolute(data_dir));
  return fs::absolute(data_dir);
}

Settings checked(Settings settings) {
  if (backup::is_half_restored(settings.data_dir)) {
    throw Error(ErrorKind::kConflict,
                "A restore into " + settings.data_dir.string() +
                    " was cut short. Run the same 'hearth restore' again to end it.");
  }
  settings.data_dir = made(settings.data_dir);
  while (settings.public_url.ends_with('/')) settings.public_url.pop_back();
  if (!settings.public_url.empty() && !settings.public_url.starts_with("http://") &&
      !settings.public_url.starts_with("https://")) {
    throw Error(ErrorKind::kInvalid, "--public-url begins with http:// or https://.");
  }
  return settings;
}

std::string load_secret(const fs::path& data_dir) {
  fs::path path = data_dir / "secret.key";
  if (!fs::exists(path)) {
    // Two processes that start at once may both write: whoever renames last wins, both read that.
    write_durably(path, as_text(random_bytes(kSecretBytes)), 0600);
  }
  std::string secret = read_file(path, 4096);
  if (secret.size() < kSecretBytes) {
    throw Error(ErrorKind::kCorrupt,
                "DATA/secret.key is damaged: restore it from a backup, or "
                "delete it (links that were handed out then stop working).");
  }
  return secret;
}

std::unique_ptr<db::Database> open_database(const Settings& settings) {
  auto database = db::Database::open(settings.database_url());
  database->migrate({.backup_folder = settings.data_dir.string()});
  return database;
}

}  // namespace

Instance::Instance(Settings wanted, const Clock& with_clock)
    : settings(checked(std::move(wanted))),
      clock(with_clock),
      secret(load_secret(settings.data_dir)),
      database(open_database(settings)),
      installation(hub::pair_installation(settings.data_dir, *database, clock)),
      access({.anonymous_read = settings.anonymous_read,
              .has_grant = nullptr,
              .metrics_token = settings.metrics_token}),
      audit(*database, clock),
      tasks(*database, clock),
      accounts(*database, clock),
      blobs(settings.data_dir, std::chrono::seconds(settings.trust_checked_s)),
      large_files(*database, blobs, clock, {.data_dir = settings.data_dir, .secret = secret}),
      parts(context()),
      gc(context(), parts.repositories, parts.receive, blobs,
         {.unused_delay_ms = int64_t{settings.gc_delay_hours} * 3600 * 1000,
          .xorb_delay_ms = int64_t{settings.gc_xorb_delay_days} * 24 * 3600 * 1000}),
      scrubber(context(), parts.repositories, blobs,
               {.period_ms = int64_t{settings.scrub_days} * 24 * 3600 * 1000,
                .bytes_per_s = uint64_t(settings.scrub_mb_per_s) * 1'000'000}),
      listing(*database, access),
      list_sets(*database),
      downloads(*database, clock),
      likes(*database, clock, access),
      rate_limiter(settings.rate_limits, clock),
      answers(kAnswerMemoryBytes) {}

hub::HubContext Instance::context() {
  return {.data_dir = settings.data_dir,
          .database = database.get(),
          .clock = &clock,
          .access = &access,
          .audit = &audit,
          .tasks = &tasks,
          .large_files = &large_files,
          .undelete_ms = int64_t{settings.undelete_days} * 24 * 3600 * 1000,
          .quotas = {.user_bytes = hub::parse_quota(settings.user_quota),
                     .org_bytes = hub::parse_quota(settings.org_quota)}};
}

api::Services Instance::services() {
  api::Services services;
  services.database = database.get();
  services.clock = &clock;
  services.access = &access;
  services.accounts = &accounts;
  services.repositories = &parts.repositories;
  services.commits = &parts.commits;
  services.receive = &parts.receive;
  services.contents = &parts.contents;
  services.community = &parts.community;
  services.listing = &listing;
  services.downloads = &downloads;
  services.likes = &likes;
  services.lfs_files = &parts.lfs_files;
  services.ledger = &parts.ledger;
  services.tasks = &tasks;
  services.audit = &audit;
  services.blobs = &blobs;
  services.xet = &large_files;
  services.rate_limiter = &rate_limiter;
  services.metrics = &metrics;
  services.answers = &answers;
  services.signing_key = secret;
  services.public_url = settings.public_url;
  services.trust_forwarded = settings.trust_forwarded;
  services.uploads_dir = blobs.uploads_dir().string();
  services.lfs_part_bytes = settings.lfs_part_bytes;
  services.chunk_lfs_uploads = settings.chunk_lfs_uploads;
  services.log_requests = settings.access_log;
  services.slow_request_ms = settings.slow_request_ms;
  return services;
}

namespace {

void stop_when_told(const hub::TaskContext& task) {
  if (task.stopping()) throw Error(ErrorKind::kUnavailable, "The task was told to stop.");
}

}  // namespace

void Instance::register_tasks(hub::TaskRunner& runner) {
  parts.repositories.register_tasks(runner);
  gc.register_tasks(runner);
  scrubber.register_tasks(runner);
  runner.handle("xet.note_xorbs", [this](hub::TaskContext& task) {
    large_files.note_xorbs_of_files([&task] { stop_when_told(task); });
  });
  runner.handle("xet.ingest", [this](hub::TaskContext& task) {
    bool done = large_files.ingest(require_string(task.payload(), "repo_id"),
                                   require_string(task.payload(), "sha256"), {.drop_whole = true},
                                   [&task] { stop_when_told(task); });
    if (done) return;
    // A backup needs the whole file until its end, which may take hours: no failure to be counted.
    database->write([&](db::Tx& tx) {
      hub::NewTask again{.kind = task.task().kind, .payload = task.payload()};
      again.delay_ms = kAfterBackupMs;
      tasks.enqueue(tx, again);
      task.finish(tx);
    });
  });
}

bool is_data_folder(const fs::path& data_dir) {
  return fs::exists(data_dir / "secret.key");
}

namespace {

fs::path lock_path(const fs::path& data_dir) {
  return data_dir / "run" / "server.lock";
}

}  // namespace

DataLock::DataLock(const fs::path& data_dir) {
  make_dirs(data_dir / "run");
  fd_ = Fd(::open(lock_path(data_dir).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd_) throw_errno("open the lock of the data folder", errno);
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    throw Error(ErrorKind::kConflict, "Another server works on the data folder " +
                                          data_dir.string() +
                                          ". Stop it first, or name another folder with --data.");
  }
}

bool DataLock::is_held(const fs::path& data_dir) {
  Fd fd(::open(lock_path(data_dir).c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return false;
  return ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0;
}

}  // namespace hearth::app
