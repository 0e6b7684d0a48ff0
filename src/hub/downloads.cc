#include "hub/downloads.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "db/db.h"
#include "hub/downloads_store.h"

namespace hearth::hub {
namespace {

constexpr int64_t kWindowMs = 5 * 60'000;  // hub-api 5.5
constexpr int64_t kDayMs = 86'400'000;
constexpr auto kFlushEvery = std::chrono::seconds(2);
constexpr size_t kWindowCountMax = 100'000;  // Some 10 MB; beyond it the oldest go first.
constexpr size_t kPendingCountMax = 50'000;  // Repositories and days that a dead database may owe.
constexpr int64_t kRefreshBatch = 500;

std::string window_key(const Repo& repo, std::string_view client) {
  return repo.id + " " + std::string(client);
}

bool has_extension(std::string_view path, std::string_view extension) {
  return path.size() > extension.size() && to_lower(path).ends_with(extension);
}

/// Libraries that have query files of their own; "" stands for all others.
constexpr std::string_view kLibraries[] = {"", "nemo", "diffusers"};

/// Whether the file counts for some libraries and not for others.
enum class Counts { kNever, kAlways, kByLibrary };

Counts counts(RepoType type, std::string_view path) {
  size_t yes = 0;
  for (std::string_view library : kLibraries) yes += is_query_file(type, library, path);
  if (yes == 0) return Counts::kNever;
  return yes == std::size(kLibraries) ? Counts::kAlways : Counts::kByLibrary;
}

}  // namespace

bool is_query_file(RepoType type, std::string_view library_name, std::string_view path) {
  switch (type) {
    case RepoType::kDataset:
      return true;
    case RepoType::kSpace:
      return false;
    case RepoType::kModel:
      break;
  }
  if (has_extension(path, ".gguf")) return true;
  if (library_name == "nemo") return has_extension(path, ".nemo");
  if (library_name == "diffusers") {
    if (path == "model_index.json" || path == "modular_model_index.json") return true;
    bool top_level = path.find('/') == std::string_view::npos;
    return top_level && (has_extension(path, ".safetensors") || has_extension(path, ".bin") ||
                         has_extension(path, ".ckpt"));
  }
  static constexpr std::string_view kDefault[] = {"config.json", "config.yaml", "hyperparams.yaml",
                                                  "params.json", "meta.yaml"};
  return std::ranges::find(kDefault, path) != std::end(kDefault);
}

struct Downloads::State {
  State(db::Database& database_arg, const Clock& clock_arg)
      : database(database_arg), clock(clock_arg) {}

  db::Database& database;
  const Clock& clock;

  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  /// Client and repository -> when the window ends.
  std::unordered_map<std::string, int64_t> windows;
  /// Repository and day -> downloads that are not written yet.
  std::map<std::pair<std::string, std::string>, int64_t> pending;
  std::atomic<uint64_t> counted{0};
  std::mutex flushing;  // One flush at a time; held outside of `mutex`.
  std::thread thread;

  bool window_is_open(const std::string& key) {
    std::lock_guard lock(mutex);
    auto window = windows.find(key);
    return window != windows.end() && window->second > clock.now_ms();
  }

  /// Forgets windows that have ended; all of them when that does not help.
  void trim_windows(int64_t now_ms) {
    if (windows.size() < kWindowCountMax) return;
    std::erase_if(windows, [&](const auto& window) { return window.second <= now_ms; });
    if (windows.size() >= kWindowCountMax) windows.clear();
  }

  void put_back(const std::vector<CountedDownloads>& counted) {
    std::lock_guard lock(mutex);
    for (const CountedDownloads& one : counted) {
      if (pending.size() >= kPendingCountMax) return;
      pending[{one.repo_id, one.day}] += one.count;
    }
  }

  void flush() {
    std::lock_guard one_at_a_time(flushing);
    std::vector<CountedDownloads> counted;
    {
      std::lock_guard lock(mutex);
      for (const auto& [key, count] : pending) counted.push_back({key.first, key.second, count});
      pending.clear();
    }
    if (counted.empty()) return;
    try {
      database.write([&](db::Tx& tx) { add_downloads(tx, counted); });
    } catch (...) {
      put_back(counted);
      throw;
    }
  }

  void refresh() {
    int64_t now_ms = clock.now_ms();
    // Days count whole: today and the 29 (6) before it.
    std::string month_begin = iso8601_day(now_ms - 29 * kDayMs);
    std::string week_begin = iso8601_day(now_ms - 6 * kDayMs);
    std::string after;
    while (true) {
      {
        std::lock_guard lock(mutex);
        if (stopping) return;
      }
      auto ids = database.read([&](db::Tx& tx) { return ranked_repos(tx, after, kRefreshBatch); });
      if (ids.empty()) return;
      database.write([&](db::Tx& tx) { refresh_ranks_of(tx, ids, month_begin, week_begin); });
      after = ids.back();
    }
  }

  void run() {
    // A sum changes by itself only when a day ends: once after the start, then once a day.
    std::string refreshed_day;
    std::unique_lock lock(mutex);
    while (!stopping) {
      wake.wait_for(lock, kFlushEvery, [this] { return stopping; });
      std::string today = iso8601_day(clock.now_ms());
      bool refresh_due = !stopping && today != refreshed_day;
      if (pending.empty() && !refresh_due) continue;
      lock.unlock();
      // Statistics: what fails now is tried again with the next flush.
      try {
        flush();
        if (refresh_due) {
          refresh();
          refreshed_day = today;
        }
      } catch (const std::exception& error) {
        log_warning("Downloads could not be written: {}", error.what());
      }
      lock.lock();
    }
  }
};

Downloads::Downloads(db::Database& database, const Clock& clock)
    : state_(std::make_unique<State>(database, clock)) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Downloads::~Downloads() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  state_->thread.join();
  try {
    state_->flush();
  } catch (const std::exception& error) {
    log_warning("The last downloads were not written: {}", error.what());
  }
}

void Downloads::count_file(const Repo& repo, std::string_view path,
                           std::string_view client) noexcept {
  try {
    Counts which = counts(repo.type, path);
    if (which == Counts::kNever || state_->window_is_open(window_key(repo, client))) return;
    if (which == Counts::kByLibrary) {
      std::string library =
          state_->database.read([&](db::Tx& tx) { return read_library_name(tx, repo.id); });
      if (!is_query_file(repo.type, library, path)) return;
    }
    count(repo, client);
  } catch (const std::exception& error) {
    log_warning("A download was not counted: {}", error.what());
  }
}

void Downloads::count(const Repo& repo, std::string_view client) {
  int64_t now_ms = state_->clock.now_ms();
  std::string key = window_key(repo, client);
  std::string day = iso8601_day(now_ms);
  std::lock_guard lock(state_->mutex);
  auto window = state_->windows.find(key);
  if (window != state_->windows.end() && window->second > now_ms) return;
  state_->trim_windows(now_ms);
  state_->windows[std::move(key)] = now_ms + kWindowMs;
  ++state_->counted;
  if (state_->pending.size() >= kPendingCountMax) return;
  ++state_->pending[{repo.id, std::move(day)}];
}

uint64_t Downloads::counted() const {
  return state_->counted;
}

void Downloads::flush() {
  state_->flush();
}

void Downloads::refresh_ranks() {
  state_->refresh();
}

DownloadCounts Downloads::read(db::Tx& tx, const std::string& repo_id) {
  return read_downloads(tx, repo_id);
}

std::vector<DailyDownloads> Downloads::daily(const std::string& repo_id, int day_count) {
  std::string first = iso8601_day(state_->clock.now_ms() - (day_count - 1) * kDayMs);
  return state_->database.read(
      [&](db::Tx& tx) { return read_daily_downloads(tx, repo_id, first); });
}

}  // namespace hearth::hub
