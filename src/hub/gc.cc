#include "hub/gc.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include <fcntl.h>
#include <sys/file.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/removals.h"
#include "blob/blob.h"
#include "db/db.h"
#include "git/git.h"
#include "hub/gc_store.h"
#include "hub/ledger.h"
#include "hub/receive.h"
#include "hub/receive_store.h"
#include "hub/repositories.h"
#include "hub/repository_store.h"
#include "hub/tasks.h"
#include "xet/xet.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kTask = "hub.gc";
// Hugging Face clients resume an upload within a day; parts that nobody touched for two are lost.
constexpr int64_t kStaleUploadMs = 2 * xet::kDayMs;
constexpr int64_t kHeldOffMs = 60'000;  // Between looks whether a backup has ended.

/// One collection at a time on a data folder.
Fd lock(const fs::path& data_dir) {
  make_dirs(data_dir / "run");
  fs::path path = data_dir / "run" / "gc.lock";
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw_errno("open " + path.string(), errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    throw Error(ErrorKind::kConflict, "Another garbage collection runs on this data folder.",
                {.retry_after_s = 60});
  }
  return fd;
}

/// Where the refs of a repository stand, by git, as the rows of the database say it.
struct RefsOfGit {
  std::map<std::string, std::string> heads;
  std::map<std::string, std::string> tags;

  std::string digest() const {
    std::string text;
    for (const auto* group : {&heads, &tags}) {
      for (const auto& [ref, oid] : *group) text += ref + " " + oid + "\n";
    }
    return sha256_hex(text);
  }
};

RefsOfGit refs_of(const git::RefList& refs) {
  RefsOfGit found;
  for (const auto* group : {&refs.branches, &refs.pull_requests, &refs.converts}) {
    for (const git::Ref& ref : *group) found.heads[ref.full_name] = ref.commit.hex();
  }
  for (const git::Ref& tag : refs.tags) found.tags[tag.full_name] = tag.target.hex();
  return found;
}

/// Whether the database knows of every move of a ref up to these, and of none that is under way.
bool is_settled(db::Tx& tx, const std::string& repo_id, const RefsOfGit& refs) {
  if (!pending_rows(tx, repo_id).empty()) return false;
  std::map<std::string, std::string> heads;
  for (const auto& [ref, head] : ref_heads(tx, repo_id)) heads[ref] = head.commit_oid;
  if (heads != refs.heads) return false;
  // Tags that are older than their table are missing there until the first backup.
  auto tags = ref_tags(tx, repo_id);
  return std::ranges::all_of(tags, [&](const auto& tag) {
    auto at = refs.tags.find(tag.first);
    return at != refs.tags.end() && at->second == tag.second;
  });
}

json::object json_of(const xet::Collected& kind) {
  return {{"count", kind.count}, {"bytes", kind.bytes}};
}

}  // namespace

uint64_t GcReport::freed_bytes() const {
  return stored.blobs.bytes + stored.xorbs.bytes + stored.shards.bytes + stored.caches.bytes +
         git.bytes;
}

json::object GcReport::to_json() const {
  return {{"dryRun", dry_run},
          {"repositories", json_of(repositories)},
          {"objects", json_of(objects)},
          {"waiting", json_of(waiting)},
          {"files", json_of(stored.files)},
          {"wholeFiles", json_of(stored.blobs)},
          {"xorbs", json_of(stored.xorbs)},
          {"shards", json_of(stored.shards)},
          {"caches", json_of(stored.caches)},
          {"git", json_of(git)},
          {"uploads", json_of(uploads)},
          {"freedBytes", freed_bytes()},
          {"busyRepositories", busy_count},
          {"heldOff", held_off}};
}

class GarbageCollector::Run {
 public:
  Run(GarbageCollector& owner, const GcOptions& options)
      : owner_(owner),
        context_(owner.context_),
        settings_(owner.settings_),
        options_(options),
        now_ms_(context_.clock->now_ms()) {}

  GcReport run() {
    report_.dry_run = options_.dry_run;
    remove_overdue();
    std::string after;
    while (true) {
      auto repos = owner_.repositories_.list(after, 500);
      if (repos.empty()) break;
      for (const Repo& repo : repos) {
        options_.check();
        collect_repository(repo);
      }
      after = repos.back().id;
    }
    report_.stored = context_.large_files->collect({.dry_run = options_.dry_run,
                                                    .unused_delay_ms = settings_.unused_delay_ms,
                                                    .xorb_delay_ms = settings_.xorb_delay_ms,
                                                    .check = options_.check});
    report_.held_off = report_.held_off || report_.stored.held_off;
    if (!options_.dry_run) {
      report_.uploads.count = owner_.blobs_.remove_stale_uploads(now_ms_, kStaleUploadMs);
    }
    return std::move(report_);
  }

 private:
  void remove_overdue() {
    auto list = options_.dry_run ? owner_.repositories_.overdue()
                                 : owner_.repositories_.remove_overdue(Actor::command_line());
    report_.repositories.count = list.size();
  }

  void collect_repository(const Repo& repo) {
    try {
      if (!options_.dry_run) {
        owner_.receive_.catch_up(repo);
        mark_and_sweep(repo);
        drop_rights(repo);
        collect_git(repo);
      } else {
        count(repo);
      }
    } catch (const Error& error) {
      if (!owner_.repositories_.find_by_id(repo.id)) return;  // Deleted meanwhile.
      // One that is damaged or very busy does not keep the others from being collected.
      ++report_.busy_count;
      log_warning("the repository {} is left out of this garbage collection: {} {}", repo.id,
                  error.message(), error.detail());
    }
  }

  void count(const Repo& repo) {
    auto found = context_.database->read(
        [&](db::Tx& tx) { return count_unused(tx, repo.id, now_ms_ - settings_.unused_delay_ms); });
    add(found);
  }

  void add(const UnusedObjects& found) {
    for (auto [sum, one] :
         {std::pair(&report_.objects, &found.over), std::pair(&report_.waiting, &found.waiting)}) {
      sum->count += one->count;
      sum->bytes += one->bytes;
    }
  }

  /// Which objects of the repository no commit names, and since when.
  void mark_and_sweep(const Repo& repo) {
    // Nobody of this process changes it meanwhile; other processes are seen in the transaction.
    RepoLock held = owner_.receive_.lock(repo);
    git::GitRepo git = owner_.repositories_.open_git(repo);
    // One list for both: what these refs name goes only while the database says that it is these.
    git::RefList list = git.refs();
    RefsOfGit refs = refs_of(list);
    std::string digest = refs.digest();
    GcRepoRow row;
    bool any = false;
    context_.database->read([&](db::Tx& tx) {
      row = find_gc_row(tx, repo.id);
      any = any_to_mark(tx, repo.id);
    });
    bool moved = row.marked_refs != digest;
    if (!moved && !any) return;
    std::set<std::string> named;
    if (moved) {
      for (const git::NewBlob& blob : git.all_pointers(list)) named.insert(blob.oid.hex());
    }
    int64_t before_ms = now_ms_ - settings_.unused_delay_ms;
    UnusedObjects found;
    bool settled = context_.database->write([&](db::Tx& tx) {
      found = {};
      if (!lock_repo_row(tx, repo.id) || !is_settled(tx, repo.id, refs)) return false;
      if (moved) {
        std::vector<std::string> stale;
        for (const auto& [oid, pointer] : all_pointer_rows(tx, repo.id)) {
          if (!named.contains(oid)) stale.push_back(oid);
        }
        delete_pointers(tx, repo.id, stale);
        recount_large_files(tx, repo.id);
      }
      mark_unused(tx, repo.id, now_ms_);
      found = count_unused(tx, repo.id, before_ms);
      delete_unused(tx, repo.id, before_ms);
      GcRepoRow now = find_gc_row(tx, repo.id);
      now.marked_refs = digest;
      now.rights_due = now.rights_due || found.over.count > 0;
      put_gc_row(tx, repo.id, now);
      return true;
    });
    failpoint("gc.swept");
    add(found);
    if (!settled) ++report_.busy_count;
  }

  void drop_rights(const Repo& repo) {
    auto row = context_.database->read([&](db::Tx& tx) { return find_gc_row(tx, repo.id); });
    if (!row.rights_due) return;
    if (!context_.large_files->drop_unused_rights(repo.id, now_ms_ - settings_.xorb_delay_ms)) {
      return;
    }
    update_row(repo, [](GcRepoRow& now) { now.rights_due = false; });
  }

  void update_row(const Repo& repo, const std::function<void(GcRepoRow&)>& change) {
    context_.database->write([&](db::Tx& tx) {
      if (!lock_repo_row(tx, repo.id)) return;
      GcRepoRow now = find_gc_row(tx, repo.id);
      change(now);
      put_gc_row(tx, repo.id, now);
    });
  }

  /// Once in each delay in which refs moved, and once after the last move: by then what it left
  /// unreachable is old enough.
  void collect_git(const Repo& repo) {
    auto row = context_.database->read([&](db::Tx& tx) { return find_gc_row(tx, repo.id); });
    if (now_ms_ - row.git_done_ms < settings_.git_delay_ms) return;
    git::GitRepo git = owner_.repositories_.open_git(repo);
    std::string digest = refs_of(git.refs()).digest();
    // Two rounds with the same refs: the second found nothing that the first had to leave.
    if (row.git_refs == "settled " + digest) return;
    auto turn = RemovalTurn::try_take(context_.data_dir);
    if (!turn) {
      report_.held_off = true;
      return;
    }
    auto freed = git.collect_garbage(settings_.git_delay_ms / 1000);
    if (!freed) return;  // Another process packs it.
    report_.git.add(*freed);
    Ledger(context_).measure_git(repo, git);
    update_row(repo, [&](GcRepoRow& now) {
      now.git_refs = (row.git_refs == digest ? "settled " : "") + digest;
      now.git_done_ms = now_ms_;
    });
  }

  GarbageCollector& owner_;
  const HubContext& context_;
  const GcSettings& settings_;
  const GcOptions& options_;
  const int64_t now_ms_;
  GcReport report_;
};

GarbageCollector::GarbageCollector(HubContext context, Repositories& repositories, Receive& receive,
                                   const blob::BlobStore& blobs, GcSettings settings)
    : context_(std::move(context)),
      repositories_(repositories),
      receive_(receive),
      blobs_(blobs),
      settings_(settings) {}

GcReport GarbageCollector::run(const GcOptions& options) {
  Fd held = lock(context_.data_dir);
  return Run(*this, options).run();
}

void GarbageCollector::register_tasks(TaskRunner& runner) {
  runner.handle(std::string(kTask), [this](TaskContext& task) {
    GcReport report = run({.check = [&task] {
      if (task.stopping()) throw Error(ErrorKind::kUnavailable, "The task was told to stop.");
    }});
    task.set_progress(report.to_json());
    log_info("garbage collection: {} bytes freed", report.freed_bytes());
    if (!report.held_off) return;
    context_.database->write([&](db::Tx& tx) {
      NewTask again{.kind = task.task().kind, .unique_key = std::string(kTask)};
      again.delay_ms = kHeldOffMs;
      context_.tasks->enqueue(tx, again);
      task.finish(tx);
    });
  });
}

void GarbageCollector::enqueue_if_due(int64_t interval_ms) {
  if (interval_ms == 0) return;
  int64_t last_ms = context_.database->read([&](db::Tx& tx) { return last_task_ms(tx, kTask); });
  if (context_.clock->now_ms() - last_ms < interval_ms) return;
  context_.database->write([&](db::Tx& tx) {
    context_.tasks->enqueue(tx, {.kind = std::string(kTask), .unique_key = std::string(kTask)});
  });
}

}  // namespace hearth::hub
