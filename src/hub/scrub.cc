#include "hub/scrub.h"

#include <algorithm>
#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/log.h"
#include "blob/blob.h"
#include "db/db.h"
#include "git/git.h"
#include "hub/git_dir.h"
#include "hub/ledger_store.h"
#include "hub/repositories.h"
#include "hub/scrub_store.h"
#include "hub/tasks.h"
#include "xet/xet.h"

namespace hearth::hub {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::string_view kTask = "hub.scrub";
constexpr std::string_view kDatabase = "database";
constexpr size_t kNamesAtOnce = 500;
constexpr int64_t kBusyMs = 60'000;  // Between looks whether another process has ended its pass.
// A task reads so long and makes room for others; what it has read is noted that often.
constexpr auto kStepTime = std::chrono::seconds(3);
constexpr auto kAgainAfter = std::chrono::milliseconds(500);  // A read that failed.
constexpr int64_t kUnreadableAgainMs = int64_t{3600} * 1000;
constexpr std::string_view kUnreadable = "cannot be read: ";
constexpr const char* kMissing = "It is missing: something has removed it.";

std::optional<Fd> try_lock(const fs::path& data_dir) {
  make_dirs(data_dir / "run");
  fs::path path = data_dir / "run" / "scrub.lock";
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw_errno("open " + path.string(), errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  return fd;
}

int64_t changed_ms(const fs::path& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return INT64_MAX;
  return int64_t{status.st_ctim.tv_sec} * 1000 + status.st_ctim.tv_nsec / 1'000'000;
}

}  // namespace

json::object DamagedFile::to_json() const {
  return {{"kind", kind}, {"name", name}, {"why", why}, {"foundAt", iso8601_ms(found_ms)}};
}

json::object ScrubReport::to_json() const {
  json::object read;
  for (const Kind& kind : kinds) {
    read[json::string_view(kind.kind.data(), kind.kind.size())] =
        json::object{{"count", kind.read_count}, {"bytes", kind.read_bytes}};
  }
  json::array all;
  for (const DamagedFile& file : damaged) all.push_back(file.to_json());
  return {{"read", std::move(read)}, {"damaged", std::move(all)}};
}

/// A walk over one kind, or a step of it.
class Scrubber::Pass {
 public:
  Pass(Scrubber& owner, std::string_view kind, bool anew)
      : owner_(owner), kind_(kind), now_ms_(owner.context_.clock->now_ms()) {
    state_ = scrub_state(db(), kind_, now_ms_);
    if (anew || !state_.began_ms) {
      state_.began_ms = now_ms_;
      state_.after.clear();
      state_.read_count = state_.read_bytes = 0;
    }
  }

  /// Goes on until the end or until `wants_more` says no; true at the end. `on_bytes` is told what
  /// was read and may throw.
  bool go_on(const std::function<void(uint64_t)>& on_bytes,
             const std::function<bool()>& wants_more) {
    while (true) {
      auto names = owner_.names_after(kind_, state_.after);
      if (names.empty()) break;
      for (const std::string& name : names) {
        uint64_t size_bytes = owner_.look_at(kind_, name, on_bytes);
        state_.after = name;
        state_.read_count += 1;
        state_.read_bytes += static_cast<int64_t>(size_bytes);
        if (!wants_more()) {
          store();
          return false;
        }
      }
      store();
    }
    owner_.note_missing(kind_);
    state_.whole_since_ms = *state_.began_ms;
    state_.began_ms.reset();
    state_.after.clear();
    state_.ended_ms = owner_.context_.clock->now_ms();
    store();
    return true;
  }

  const ScrubState& state() const { return state_; }

 private:
  db::Database& db() { return *owner_.context_.database; }
  void store() {
    db().write([&](db::Tx& tx) { put_scrub_state(tx, kind_, state_); });
  }

  Scrubber& owner_;
  const std::string_view kind_;
  const int64_t now_ms_;
  ScrubState state_;
};

Scrubber::Scrubber(HubContext context, Repositories& repositories, const blob::BlobStore& blobs,
                   ScrubSettings settings)
    : context_(std::move(context)),
      repositories_(repositories),
      blobs_(blobs),
      settings_(settings) {}

std::vector<std::string> Scrubber::names_after(std::string_view kind, const std::string& after) {
  if (kind == "blob") return blobs_.names_after(after, kNamesAtOnce);
  if (kind == "xorb") return context_.large_files->xorbs_after(after, kNamesAtOnce);
  if (kind == "shard") return context_.large_files->shards_after(after, kNamesAtOnce);
  std::vector<std::string> names;
  if (kind == "git") {
    for (const Repo& repo : repositories_.list(after, kNamesAtOnce)) names.push_back(repo.id);
  } else if (after.empty()) {
    names.emplace_back(kDatabase);
  }
  return names;
}

Scrubber::Looked Scrubber::read(std::string_view kind, const std::string& name,
                                const OnBytes& on_bytes) {
  Looked looked;
  std::optional<std::string> damage;
  if (kind == "blob") {
    if (context_.large_files->is_missing_whole(name)) return {State::kDamaged, kMissing};
    damage = blobs_.damage_of(name, [&](uint64_t bytes) {
      looked.size_bytes += bytes;
      on_bytes(bytes);
    });
  } else if (kind == "xorb") {
    if (context_.large_files->is_missing_xorb(name)) return {State::kDamaged, kMissing};
    damage = context_.large_files->damage_of_xorb(name, looked.size_bytes);
  } else if (kind == "shard") {
    damage = context_.large_files->damage_of_shard(name, looked.size_bytes);
  } else if (kind == "git") {
    auto repo = repositories_.find_by_id(name);
    if (!repo) return looked;
    looked.size_bytes = context_.database->read([&](db::Tx& tx) {
      auto storage = repo_storage(tx, name);
      return storage ? storage->git_bytes : 0;
    });
    try {
      auto lines = repositories_.open_git(*repo).fsck();
      if (!lines.empty()) damage = repo->repo_id.full() + ": git fsck: " + lines.front();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kUnavailable) {  // It took too long, or there was no memory.
        log_warning("{} is left out of this pass: {}", repo->repo_id.full(), error.what());
        looked.state = State::kUnknown;
      } else {
        damage = std::string(error.kind() == ErrorKind::kCorrupt ? "" : kUnreadable) +
                 repo->repo_id.full() + ": " + error.message();
      }
    }
    if (damage && !repositories_.find_by_id(name)) return {};  // Deleted meanwhile.
  } else {
    auto problems = context_.database->integrity_problems();
    if (!problems.empty()) damage = problems.front();
  }
  if (kind != "blob") on_bytes(looked.size_bytes);
  if (damage) {
    looked.state = State::kDamaged;
    looked.why = std::move(*damage);
  }
  return looked;
}

uint64_t Scrubber::look_at(std::string_view kind, const std::string& name,
                           const OnBytes& on_bytes) {
  Looked looked = read(kind, name, on_bytes);
  if (looked.state == State::kDamaged && looked.why != kMissing) {
    // Somebody may have been changing it, or the disk had a weak moment.
    std::this_thread::sleep_for(kAgainAfter);
    looked = read(kind, name, on_bytes);
  }
  if (looked.state == State::kDamaged) note(kind, name, looked.why);
  if (looked.state != State::kSound) return looked.size_bytes;
  // Nearly always there is no row: then nothing is written.
  if (context_.database->read([&](db::Tx& tx) { return is_damaged(tx, kind, name); })) {
    context_.database->write([&](db::Tx& tx) { delete_damaged(tx, kind, name); });
    log_info("{} {} is whole again", kind, name);
  }
  return looked.size_bytes;
}

void Scrubber::note_missing(std::string_view kind) {
  if (kind == "blob") {
    for (const std::string& name : context_.large_files->missing_wholes()) {
      note(kind, name, std::string(kMissing));
    }
  } else if (kind == "xorb") {
    for (const std::string& name : context_.large_files->missing_xorbs()) {
      note(kind, name, std::string(kMissing));
    }
  }
}

void Scrubber::note(std::string_view kind, const std::string& name, const std::string& why) {
  // What was compared a while ago is not believed any longer: reads and uploads look anew.
  if (kind == "blob" || kind == "xorb") blobs_.sums().forget(name);
  bool is_new = context_.database->write([&](db::Tx& tx) {
    return insert_damaged(tx, {.kind = std::string(kind),
                               .name = name,
                               .why = why,
                               .found_ms = context_.clock->now_ms()});
  });
  if (is_new) log_error("DAMAGED: {} {}: {} ('hearth scrub --list')", kind, name, why);
}

ScrubReport Scrubber::run(const std::function<void()>& check) {
  auto lock = try_lock(context_.data_dir);
  if (!lock) {
    throw Error(ErrorKind::kConflict,
                "The server or another 'hearth scrub' reads this data folder just now. Try again "
                "in a moment.",
                {.retry_after_s = 10});
  }
  ScrubReport report;
  for (std::string_view kind : kScrubKinds) {
    Pass pass(*this, kind, true);
    pass.go_on([&](uint64_t) { check(); },
               [&] {
                 check();
                 return true;
               });
    report.kinds.push_back({.kind = kind,
                            .read_count = pass.state().read_count,
                            .read_bytes = pass.state().read_bytes});
  }
  report.damaged = damaged();
  return report;
}

std::vector<DamagedFile> Scrubber::damaged() {
  return context_.database->read([](db::Tx& tx) { return damaged_files(tx); });
}

int64_t Scrubber::oldest_ms() {
  return context_.database->read([&](db::Tx& tx) {
    int64_t oldest_ms = context_.clock->now_ms();
    for (std::string_view kind : kScrubKinds) {
      auto state = find_scrub_state(tx, kind);
      if (state) oldest_ms = std::min(oldest_ms, state->whole_since_ms);
    }
    return oldest_ms;
  });
}

bool Scrubber::is_due(const ScrubState& state) const {
  return state.began_ms || context_.clock->now_ms() - state.whole_since_ms >= settings_.period_ms;
}

void Scrubber::register_tasks(TaskRunner& runner) {
  runner.handle(std::string(kTask), [this](TaskContext& task) {
    auto begin = SteadyClock::now();
    uint64_t read_bytes = 0;
    auto time_of = [&] {
      return settings_.bytes_per_s == 0
                 ? std::chrono::milliseconds(0)
                 : std::chrono::milliseconds(read_bytes * 1000 / settings_.bytes_per_s);
    };
    // A file may be larger than what is read in a step: then it is read slowly.
    auto on_bytes = [&](uint64_t bytes) {
      read_bytes += bytes;
      while (SteadyClock::now() < begin + time_of() - kStepTime) {
        if (task.stopping()) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
      if (task.stopping()) throw Error(ErrorKind::kUnavailable, "The task was told to stop.");
    };
    bool is_done = true;
    int64_t wait_ms = 0;
    auto wants_more = [&] { return SteadyClock::now() - begin < kStepTime; };
    if (auto lock = try_lock(context_.data_dir)) {
      look_again(on_bytes, wants_more);
      for (std::string_view kind : kScrubKinds) {
        if (settings_.period_ms == 0) break;
        if (!is_due(scrub_state(*context_.database, kind, context_.clock->now_ms()))) continue;
        Pass pass(*this, kind, false);
        is_done = pass.go_on(on_bytes, wants_more);
        task.set_progress({{"kind", kind},
                           {"count", pass.state().read_count},
                           {"bytes", pass.state().read_bytes}});
        if (!is_done) break;
      }
      auto spent =
          std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - begin);
      wait_ms = std::max<int64_t>(0, (time_of() - spent).count());
    } else {
      is_done = false;
      wait_ms = kBusyMs;
    }
    if (is_done) return;
    context_.database->write([&](db::Tx& tx) {
      NewTask again{.kind = task.task().kind, .unique_key = std::string(kTask)};
      again.delay_ms = wait_ms;
      context_.tasks->enqueue(tx, again);
      task.finish(tx);
    });
  });
}

fs::path Scrubber::path_of(const DamagedFile& file) const {
  if (file.kind == "blob") return blobs_.path_of(file.name);
  if (auto hash = xet::MerkleHash::from_text(file.name)) {
    if (file.kind == "xorb") return context_.large_files->xorb_path(*hash);
    if (file.kind == "shard") return context_.large_files->shard_path(*hash);
  }
  return {};
}

std::vector<DamagedFile> Scrubber::to_be_seen_again() {
  int64_t now_ms = context_.clock->now_ms();
  std::vector<DamagedFile> wanted;
  for (DamagedFile& file : damaged()) {
    fs::path path = path_of(file);
    bool is_there = path.empty() || fs::exists(path);
    int64_t seen_ms = file.found_ms;
    {
      std::lock_guard lock(mutex_);
      if (auto at = seen_again_ms_.find(file.kind + file.name); at != seen_again_ms_.end()) {
        seen_ms = std::max(seen_ms, at->second);
      }
    }
    bool changed = !path.empty() && is_there && changed_ms(path) > seen_ms;
    // Missing still, or needed no more; and what did not read may read now.
    bool late = now_ms - seen_ms > kUnreadableAgainMs &&
                (!is_there || file.why.find(kUnreadable) != std::string::npos);
    if (changed || late) wanted.push_back(std::move(file));
  }
  return wanted;
}

void Scrubber::look_again(const OnBytes& on_bytes, const std::function<bool()>& wants_more) {
  for (const DamagedFile& file : to_be_seen_again()) {
    if (!wants_more()) return;
    {
      std::lock_guard lock(mutex_);  // A copy that is no better is not read every minute.
      seen_again_ms_[file.kind + file.name] = context_.clock->now_ms();
    }
    look_at(file.kind, file.name, on_bytes);
  }
}

void Scrubber::enqueue_if_due() {
  bool any_due = !to_be_seen_again().empty();
  for (std::string_view kind : kScrubKinds) {  // All: each has its first row made here.
    if (settings_.period_ms == 0) break;
    any_due = is_due(scrub_state(*context_.database, kind, context_.clock->now_ms())) || any_due;
  }
  if (!any_due) return;
  context_.database->write([&](db::Tx& tx) {
    context_.tasks->enqueue(tx, {.kind = std::string(kTask), .unique_key = std::string(kTask)});
  });
}

}  // namespace hearth::hub
