#include "app/hub_metrics.h"

#include <chrono>
#include <mutex>

#include <sys/statvfs.h>

#include "app/last_backup.h"
#include "http/certificate.h"
#include "hub/figures.h"

namespace hearth::app {
namespace {

using metrics::Kind;
using metrics::Samples;
using SteadyClock = std::chrono::steady_clock;

// Figures that take reading whole tables and folders are read again after this long, or after a
// hundred times as long as it took: it is never more than a hundredth of the time.
constexpr auto kFiguresAge = std::chrono::seconds(60);
constexpr int kFiguresShare = 100;

double seconds(SteadyClock::duration time) {
  return std::chrono::duration<double>(time).count();
}

template <typename Number>
double value(Number number) {
  return static_cast<double>(number);
}

struct FolderSize {
  uint64_t count = 0;
  uint64_t bytes = 0;
};

/// Files may come and go meanwhile.
FolderSize measure(const fs::path& folder) {
  FolderSize size;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error);
  while (!error && it != fs::recursive_directory_iterator()) {
    std::error_code gone;
    if (it->is_regular_file(gone)) {
      const uint64_t bytes = it->file_size(gone);
      if (!gone) {
        ++size.count;
        size.bytes += bytes;
      }
    }
    it.increment(error);
  }
  return size;
}

/// Folders of DATA whose sizes are told, by their names.
constexpr std::string_view kFolders[] = {"blobs", "xorbs", "shards", "uploads"};

/// What is too dear to be read at each scrape.
class Stored {
 public:
  explicit Stored(Instance& instance) : instance_(instance) {}

  void add_to(Samples& out) {
    std::lock_guard lock(mutex_);
    const auto now = SteadyClock::now();
    if (!read_at_ ||
        now - *read_at_ > std::max<SteadyClock::duration>(kFiguresAge, took_ * kFiguresShare)) {
      figures_ = hub::read_figures(*instance_.database);
      for (size_t i = 0; i < std::size(kFolders); ++i) {
        folders_[i] = measure(instance_.settings.data_dir / kFolders[i]);
      }
      took_ = SteadyClock::now() - now;
      read_at_ = now;
    }
    int64_t git_bytes = 0;
    for (const hub::RepoFigures& repos : figures_.repositories) {
      const std::string_view type = hub::to_string(repos.type);
      out.add("hearth_repositories", value(repos.count - repos.deleted_count),
              {{"type", type}, {"state", "kept"}});
      out.add("hearth_repositories", value(repos.deleted_count),
              {{"type", type}, {"state", "deleted"}});
      git_bytes += repos.git_bytes;
    }
    out.add("hearth_users", value(figures_.user_count));
    out.add("hearth_organisations", value(figures_.organisation_count));
    out.add("hearth_storage_bytes", value(git_bytes), {{"kind", "git"}});
    for (size_t i = 0; i < std::size(kFolders); ++i) {
      out.add("hearth_storage_bytes", value(folders_[i].bytes), {{"kind", kFolders[i]}});
      out.add("hearth_storage_files", value(folders_[i].count), {{"kind", kFolders[i]}});
    }
    out.add("hearth_large_file_bytes", value(figures_.named_bytes));
    if (figures_.xorb_bytes > 0) {
      out.add("hearth_xet_dedup_ratio", value(figures_.chunked_bytes) / value(figures_.xorb_bytes));
    }
  }

 private:
  Instance& instance_;
  std::mutex mutex_;
  std::optional<SteadyClock::time_point> read_at_;
  SteadyClock::duration took_{0};
  hub::Figures figures_;
  FolderSize folders_[std::size(kFolders)];
};

void add_stored(Instance& instance) {
  instance.metrics.add(
      {{"hearth_repositories", Kind::kGauge, "Repositories, and those that can be brought back."},
       {"hearth_users", Kind::kGauge, "Accounts of people."},
       {"hearth_organisations", Kind::kGauge, "Organisations."},
       {"hearth_storage_bytes", Kind::kGauge,
        "Bytes on the disk by what they hold; git as last measured for each repository."},
       {"hearth_storage_files", Kind::kGauge, "Files on the disk, but for git's."},
       {"hearth_large_file_bytes", Kind::kGauge,
        "Bytes of large files, counted once for each repository that has them."},
       {"hearth_xet_dedup_ratio", Kind::kGauge,
        "Bytes of the different files that are stored as chunks, to what their chunks take."}},
      [stored = std::make_shared<Stored>(instance)](Samples& out) { stored->add_to(out); });
}

void add_tasks(Instance& instance) {
  instance.metrics.add(
      {{"hearth_tasks", Kind::kGauge, "Background work that waits, runs, or has failed for good."},
       {"hearth_task_oldest_waiting_seconds", Kind::kGauge,
        "For how long the task has been due that has waited longest; 0: none waits."},
       {"hearth_gc_last_success_timestamp_seconds", Kind::kGauge,
        "When the hub's last collection of garbage ended, as Unix time."},
       {"hearth_gc_freed_bytes", Kind::kGauge, "What that collection freed."},
       {"hearth_scrub_oldest_seconds", Kind::kGauge,
        "Since when some stored byte may not have been read to look for damage."},
       {"hearth_damaged_files", Kind::kGauge, "Stored files that are known to be damaged."}},
      [&instance](Samples& out) {
        const int64_t now_ms = instance.clock.now_ms();
        out.add("hearth_scrub_oldest_seconds",
                value(now_ms - instance.scrubber.oldest_ms()) / 1000);
        const auto damaged = instance.scrubber.damaged();
        for (std::string_view kind : hub::kScrubKinds) {
          out.add("hearth_damaged_files",
                  value(std::ranges::count(damaged, kind, &hub::DamagedFile::kind)),
                  {{"kind", kind}});
        }
        int64_t oldest_ms = 0;
        for (const hub::Tasks::Count& count : instance.tasks.counts()) {
          out.add("hearth_tasks", value(count.count),
                  {{"kind", count.kind}, {"state", hub::to_string(count.state)}});
          if (count.state == hub::TaskState::kQueued) {
            oldest_ms = std::max(oldest_ms, now_ms - count.due_ms);
          }
        }
        out.add("hearth_task_oldest_waiting_seconds", value(oldest_ms) / 1000);
        const auto collections =
            instance.tasks.list({.state = hub::TaskState::kDone, .kind = "hub.gc", .limit = 1});
        if (collections.empty()) return;
        out.add("hearth_gc_last_success_timestamp_seconds",
                value(collections[0].ended_ms.value_or(0)) / 1000);
        if (const auto freed = get_int(collections[0].progress, "freedBytes")) {
          out.add("hearth_gc_freed_bytes", value(*freed));
        }
      });
}

void add_disk(Instance& instance) {
  instance.metrics.add(
      {{"hearth_disk_free_bytes", Kind::kGauge, "Room for the hub on the disk of its data folder."},
       {"hearth_disk_size_bytes", Kind::kGauge, "The whole of that disk."},
       {"hearth_backup_last_success_timestamp_seconds", Kind::kGauge,
        "When the last 'hearth backup' without problems ended, as Unix time."},
       {"hearth_backup_bytes", Kind::kGauge, "What its snapshot holds."},
       {"hearth_downloads_total", Kind::kCounter,
        "Downloads that count for the figures of repositories."}},
      [&instance](Samples& out) {
        struct statvfs disk{};
        if (::statvfs(instance.settings.data_dir.c_str(), &disk) == 0) {
          out.add("hearth_disk_free_bytes", value(disk.f_bavail) * value(disk.f_frsize));
          out.add("hearth_disk_size_bytes", value(disk.f_blocks) * value(disk.f_frsize));
        }
        if (const auto backup = find_last_backup(instance.settings.data_dir)) {
          out.add("hearth_backup_last_success_timestamp_seconds", value(backup->ended_ms) / 1000);
          out.add("hearth_backup_bytes", value(backup->total_bytes));
        }
        out.add("hearth_downloads_total", value(instance.downloads.counted()));
      });
}

void add_database(Instance& instance) {
  instance.metrics.add(
      {{"hearth_database_size_bytes", Kind::kGauge, "What the database takes on its disk."},
       {"hearth_database_ping_seconds", Kind::kGauge,
        "How long one small read took, with waiting for a connection."}},
      [&instance](Samples& out) {
        const auto begin = SteadyClock::now();
        const int64_t bytes = instance.database->size_bytes();
        out.add("hearth_database_ping_seconds", seconds(SteadyClock::now() - begin));
        out.add("hearth_database_size_bytes", value(bytes));
      });
}

}  // namespace

void add_hub_metrics(Instance& instance) {
  metrics::add_process_families(instance.metrics, HEARTH_VERSION);
  add_disk(instance);
  add_database(instance);
  add_tasks(instance);
  add_stored(instance);
}

void add_server_metrics(Instance& instance, const http::Server& server,
                        const std::optional<http::TlsFiles>& tls) {
  instance.metrics.add(
      {{"hearth_http_connections", Kind::kGauge, "Open connections."},
       {"hearth_http_connections_accepted_total", Kind::kCounter, "Connections that came."},
       {"hearth_http_connections_refused_total", Kind::kCounter,
        "Connections that were refused because there were too many."},
       {"hearth_http_shed_requests_total", Kind::kCounter,
        "Requests that were answered 503: too many waited before them, or answers held too much "
        "memory."},
       {"hearth_http_malformed_requests_total", Kind::kCounter,
        "Requests that were refused before the hub saw them: no HTTP, or over a limit."},
       {"hearth_http_timeouts_total", Kind::kCounter, "Requests whose client was too slow."},
       {"hearth_http_held_bytes", Kind::kGauge, "Text of answers that are being sent now."},
       {"hearth_http_pool_busy_threads", Kind::kGauge, "Threads that work on requests now."},
       {"hearth_http_pool_threads", Kind::kGauge, "Threads that may (--pool-threads)."},
       {"hearth_http_pool_queue_length", Kind::kGauge, "Requests that wait for a thread."}},
      [&server](Samples& out) {
        const http::Metrics now = server.metrics();
        out.add("hearth_http_connections", value(now.connections_active));
        out.add("hearth_http_connections_accepted_total", value(now.connections_accepted));
        out.add("hearth_http_connections_refused_total", value(now.connections_refused));
        out.add("hearth_http_shed_requests_total", value(now.requests_refused));
        out.add("hearth_http_malformed_requests_total", value(now.requests_malformed));
        out.add("hearth_http_timeouts_total", value(now.timeouts));
        out.add("hearth_http_held_bytes", value(now.held_bytes));
        out.add("hearth_http_pool_busy_threads", value(now.pool_busy));
        out.add("hearth_http_pool_threads", value(now.pool_threads));
        out.add("hearth_http_pool_queue_length", value(now.queue_length));
      });
  instance.metrics.add({{"hearth_tls_certificate_expiry_timestamp_seconds", Kind::kGauge,
                         "When the certificate expires, as Unix time."}},
                       [tls](Samples& out) {
                         if (!tls) return;
                         out.add("hearth_tls_certificate_expiry_timestamp_seconds",
                                 value(http::read_certificate(*tls).not_after_ms) / 1000);
                       });
}

}  // namespace hearth::app
