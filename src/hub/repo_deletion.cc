// Repositories that go: hidden at once, brought back on demand, removed for good after a while.
//
// A deleted repository keeps its folder, its rows and its large files. Only its row says that it is
// gone, and only the functions here look at that: for all others (hub/repository_store) it is not
// there. So nothing has to be put together again when it comes back.

#include <algorithm>

#include "base/log.h"
#include "base/removals.h"
#include "db/db.h"
#include "git/git.h"
#include "hub/git_dir.h"
#include "hub/ledger.h"
#include "hub/ledger_store.h"
#include "hub/listing.h"
#include "hub/receive.h"
#include "hub/repo_creation.h"
#include "hub/repositories.h"
#include "hub/repository_store.h"
#include "hub/tasks.h"
#include "xet/xet.h"

namespace hearth::hub {
namespace {

json::object detail_of(const Repo& repo) {
  json::object detail;
  detail["type"] = to_string(repo.type);
  detail["name"] = repo.repo_id.full();
  return detail;
}

[[noreturn]] void throw_not_found() {
  throw Error(ErrorKind::kNotFound, "Repository not found", {.code = "RepoNotFound"});
}

NewTask folder_task(std::string_view kind, const std::string& repo_id) {
  NewTask task;
  task.kind = kind;
  task.payload["repo_id"] = repo_id;
  return task;
}

}  // namespace

void Repositories::remove(const Actor& by, const Repo& repo) {
  if (context_.undelete_ms == 0) return remove_for_good(by, repo);
  context_.database->write([&](db::Tx& tx) {
    int64_t now_ms = context_.clock->now_ms();
    if (!mark_repo_deleted(tx, repo.id, now_ms, now_ms + context_.undelete_ms)) throw_not_found();
    context_.audit->append(tx, by, "repo.delete", repo.id, detail_of(repo));
  });
}

void Repositories::remove_for_good(const Actor& by, const Repo& repo) {
  if (!remove_rows(by, repo, {})) throw_not_found();
}

bool Repositories::remove_rows(const Actor& by, const Repo& repo,
                               std::optional<int64_t> kept_until_before_ms) {
  bool removed = context_.database->write([&](db::Tx& tx) {
    if (!delete_repo_row(tx, repo.id, kept_until_before_ms)) return false;
    xet::XetStore::forget_repo(tx, repo.id);
    json::object detail = detail_of(repo);
    detail["forGood"] = true;
    context_.audit->append(tx, by, "repo.delete", repo.id, detail);
    context_.tasks->enqueue(tx, folder_task("repo.remove_folder", repo.id));
    return true;
  });
  if (!removed) return false;
  // At once where nothing interferes; the task is for a crash in between, and for after a backup.
  if (auto turn = RemovalTurn::try_take(context_.data_dir)) remove_tree(git_dir(repo));
  return true;
}

std::vector<DeletedRepo> Repositories::deleted() {
  return context_.database->read([&](db::Tx& tx) { return list_deleted_repo_rows(tx, INT64_MAX); });
}

std::optional<DeletedRepo> Repositories::find_deleted(std::string_view id) {
  return context_.database->read([&](db::Tx& tx) { return find_deleted_repo_row(tx, id); });
}

bool Repositories::is_known(std::string_view id) {
  return context_.database->read([&](db::Tx& tx) {
    return find_repo_row(tx, id).has_value() || find_deleted_repo_row(tx, id).has_value();
  });
}

Repo Repositories::undelete(const Actor& by, const Repo& repo, const std::optional<RepoId>& name) {
  Repo back = context_.database->write([&](db::Tx& tx) {
    auto gone = find_deleted_repo_row(tx, repo.id);
    if (!gone) throw_not_found();
    Repo now = gone->repo;
    if (name) {
      Namespace owner = require_namespace(tx, name->namespace_name);
      now.namespace_id = owner.id;
      now.repo_id = {.namespace_name = owner.name, .name = name->name};
    }
    if (auto existing = find_repo_row(tx, now.type, now.repo_id)) {
      throw RepoExists("There is a " + std::string(to_string(now.type)) + " repository called " +
                           existing->repo_id.full() +
                           " by now. Bring the deleted one back under another name.",
                       *existing);
    }
    undelete_repo_row(tx, now);
    require_room(tx, context_.quotas, now.namespace_id, repo_storage(tx, now.id)->bytes());
    json::object detail = detail_of(now);
    if (name) detail["from"] = gone->repo.repo_id.full();
    context_.audit->append(tx, by, "repo.undelete", repo.id, detail);
    NewTask task = folder_task("repo.write_config", repo.id);
    task.unique_key = repo.id;
    context_.tasks->enqueue(tx, task);
    // Deleted before the hub made these rows for older repositories (migration 0019), it has none.
    if (load_facts(tx, repo.id).commit_oid.empty()) {
      NewTask index = folder_task("repo.index", repo.id);
      index.unique_key = repo.id;
      context_.tasks->enqueue(tx, index);
    }
    return now;
  });
  try {
    write_config(back);
    // A change that was under way when it was deleted is ended as after a crash.
    receive_.catch_up(back);
  } catch (const Error& error) {
    log_warning("the repository {} is back; its next change will end what was under way: {}",
                back.id, error.what());
  }
  return back;
}

std::vector<DeletedRepo> Repositories::overdue() {
  int64_t now_ms = context_.clock->now_ms();
  return context_.database->read([&](db::Tx& tx) { return list_deleted_repo_rows(tx, now_ms); });
}

std::vector<DeletedRepo> Repositories::remove_overdue(const Actor& by) {
  int64_t now_ms = context_.clock->now_ms();
  auto list = overdue();
  // One that was brought back in this moment stays.
  std::erase_if(list, [&](const DeletedRepo& gone) { return !remove_rows(by, gone.repo, now_ms); });
  return list;
}

}  // namespace hearth::hub
