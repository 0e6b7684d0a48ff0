#include "hub/repositories.h"

#include <algorithm>
#include <map>

#include "base/log.h"
#include "base/removals.h"
#include "base/text.h"
#include "db/db.h"
#include "git/git.h"
#include "hub/access.h"
#include "hub/git_dir.h"
#include "hub/index_work.h"
#include "hub/ledger.h"
#include "hub/ledger_store.h"
#include "hub/listing.h"
#include "hub/receive.h"
#include "hub/receive_store.h"
#include "hub/repo_creation.h"
#include "hub/repository_store.h"
#include "hub/tasks.h"
#include "xet/xet.h"

namespace hearth::hub {
namespace {

constexpr int64_t kAfterBackupMs = 5'000;  // Between looks whether a backup has ended.

}  // namespace

Repositories::Repositories(HubContext context, Receive& receive)
    : context_(std::move(context)), receive_(receive), path_index_(context_) {
  make_dirs(context_.data_dir / "git");
}

std::optional<FoundRepo> Repositories::find(RepoType type, const RepoId& repo_id) {
  return context_.database->read([&](db::Tx& tx) -> std::optional<FoundRepo> {
    if (auto repo = find_repo_row(tx, type, repo_id)) return FoundRepo{*repo, false};
    if (auto repo = find_moved_repo_row(tx, type, repo_id)) return FoundRepo{*repo, true};
    return std::nullopt;
  });
}

std::optional<Repo> Repositories::find_by_id(std::string_view id) {
  return context_.database->read([&](db::Tx& tx) { return find_repo_row(tx, id); });
}

std::vector<Repo> Repositories::list(std::string_view after_id, int64_t limit) {
  return context_.database->read([&](db::Tx& tx) { return list_repo_rows(tx, after_id, limit); });
}

std::vector<Repo> Repositories::list_of_namespace(std::string_view namespace_name) {
  return context_.database->read([&](db::Tx& tx) {
    auto owner = Accounts::find_namespace(tx, namespace_name);
    return owner ? list_namespace_rows(tx, owner->id) : std::vector<Repo>{};
  });
}

Repo Repositories::move(const Caller& caller, const Repo& repo, const RepoId& to) {
  context_.access->require_namespace_write(&caller.identity, to.namespace_name);
  Repo moved = context_.database->write([&](db::Tx& tx) {
    auto now = find_repo_row(tx, repo.id);
    if (!now) throw Error(ErrorKind::kNotFound, "Repository not found", {.code = "RepoNotFound"});
    if (auto existing = find_repo_row(tx, repo.type, to); existing && existing->id != repo.id) {
      throw RepoExists("A " + std::string(to_string(repo.type)) + " repository called " +
                           existing->repo_id.full() + " already exists",
                       *existing);
    }
    Namespace owner = require_namespace(tx, to.namespace_name);
    Repo renamed = *now;
    renamed.namespace_id = owner.id;
    renamed.repo_id = {.namespace_name = owner.name, .name = to.name};
    rename_repo_row(tx, renamed, now->repo_id, context_.clock->now_ms());
    if (renamed.namespace_id != now->namespace_id) {
      require_room(tx, context_.quotas, renamed.namespace_id, repo_storage(tx, repo.id)->bytes());
    }
    json::object detail;
    detail["from"] = now->repo_id.full();
    detail["to"] = renamed.repo_id.full();
    context_.audit->append(tx, caller.actor(), "repo.move", repo.id, detail);
    NewTask task;
    task.kind = "repo.write_config";
    task.payload["repo_id"] = repo.id;
    task.unique_key = repo.id;
    context_.tasks->enqueue(tx, task);
    return renamed;
  });
  try {
    write_config(moved);
  } catch (const Error& error) {
    log_warning("the config of {} will be written by a task: {}", repo.id, error.what());
  }
  return moved;
}

void Repositories::write_config(const Repo& repo) {
  open_git(repo).update_config([&] {
    auto now = find_by_id(repo.id);
    if (!now) throw Error(ErrorKind::kNotFound, "Repository not found", {.code = "RepoNotFound"});
    return config_of(*now);
  });
}

Repo Repositories::update(const Actor& by, const Repo& repo, const RepoSettings& settings) {
  return context_.database->write([&](db::Tx& tx) {
    auto now = find_repo_row(tx, repo.id);
    if (!now) throw Error(ErrorKind::kNotFound, "Repository not found", {.code = "RepoNotFound"});
    json::object detail;
    if (settings.is_private) {
      now->is_private = *settings.is_private;
      detail["private"] = now->is_private;
    }
    if (settings.gated) {
      now->gated = *settings.gated;
      detail["gated"] = now->gated == Gated::kNo     ? ""
                        : now->gated == Gated::kAuto ? "auto"
                                                     : "manual";
    }
    if (settings.discussions_disabled) {
      now->discussions_disabled = *settings.discussions_disabled;
      detail["discussionsDisabled"] = now->discussions_disabled;
    }
    update_repo_settings(tx, *now);
    context_.audit->append(tx, by, "repo.settings", repo.id, detail);
    return *now;
  });
}

fs::path Repositories::git_dir(const Repo& repo) const {
  return hub::git_dir(context_, repo.id);
}

git::GitRepo Repositories::open_git(const Repo& repo) const {
  try {
    return git::GitRepo::open(git_dir(repo));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNotFound) throw;
    throw Error(ErrorKind::kCorrupt, "The repository's data is missing on this server.",
                {.detail = "no git folder for " + repo.id});
  }
}

void Repositories::catch_up() {
  drop_unfinished_creations();
  context_.database->write([&](db::Tx& tx) { set_missing_kept_until(tx, context_.undelete_ms); });
  for (const std::string& id : receive_.pending_repos()) {
    auto repo = find_by_id(id);
    if (!repo) continue;
    try {
      receive_.catch_up(*repo);
    } catch (const Error& error) {
      // One damaged repository does not keep the hub from starting; verify tells of it.
      log_error("repository {} could not be brought up: {}", id, error.what());
    }
  }
}

void Repositories::register_tasks(TaskRunner& runner) {
  runner.handle("repo.remove_folder", [this](TaskContext& task) {
    std::string id = require_string(task.payload(), "repo_id");
    if (is_known(id)) return;
    auto turn = RemovalTurn::try_take(context_.data_dir);
    if (!turn) {
      // A backup may take hours: that is no failure to be counted.
      context_.database->write([&](db::Tx& tx) {
        NewTask again{.kind = task.task().kind, .payload = task.payload()};
        again.delay_ms = kAfterBackupMs;
        context_.tasks->enqueue(tx, again);
        task.finish(tx);
      });
      return;
    }
    fs::path dir = hub::git_dir(context_, id);
    remove_tree_durably(dir);
    // A task or a reader that was at work on it may have put something into it meanwhile.
    if (fs::exists(dir)) {
      throw Error(ErrorKind::kUnavailable, "The folder is still in use.", {.retry_after_s = 1});
    }
  });
  runner.handle("repo.write_config", [this](TaskContext& task) {
    auto repo = find_by_id(require_string(task.payload(), "repo_id"));
    if (repo) unless_gone(*repo, [&] { write_config(*repo); });
  });
  runner.handle("repo.index", [this](TaskContext& task) {
    auto repo = find_by_id(require_string(task.payload(), "repo_id"));
    if (repo) unless_gone(*repo, [&] { receive_.rebuild_index(*repo); });
  });
  runner.handle("hub.count_storage",
                [this](TaskContext&) { Ledger(context_).count_older_deletions(); });
  runner.handle("repo.content", [this](TaskContext& task) {
    auto repo = find_by_id(require_string(task.payload(), "repo_id"));
    if (repo) unless_gone(*repo, [&] { after_change(*repo); });
  });
}

void Repositories::unless_gone(const Repo& repo, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error&) {
    // Removed under the task's hands: then there is nothing left to do, and nothing wrong.
    if (find_by_id(repo.id)) throw;
  }
}

void Repositories::after_change(const Repo& repo) {
  git::GitRepo git = open_git(repo);
  git.maintain();
  Ledger(context_).measure_git(repo, git);
  read_headers(repo);
}

void Repositories::read_headers(const Repo& repo) {
  git::GitRepo git = open_git(repo);
  if (repo.type != RepoType::kModel) return;
  // None any more is to be noted too: weights in subfolders keep index_repo from clearing them.
  auto tallied = context_.database->read([&](db::Tx& tx) { return load_tally(tx, repo.id); });
  bool has_none = tallied && tallied->commit_oid == repo.head_oid &&
                  !tallied->files.tally.has_weights();  // Then no file need be looked at.
  ModelHeaders headers;
  if (!has_none) headers = headers_of(repo, git).value_or(ModelHeaders{});
  context_.database->write(
      [&](db::Tx& tx) { store_model_headers(tx, repo.id, repo.head_oid, headers); });
}

std::optional<ModelHeaders> Repositories::headers_of(const Repo& repo, const git::GitRepo& git) {
  auto head = git::Oid::parse(repo.head_oid);
  if (repo.type != RepoType::kModel || !head || !git.has_object(*head)) return std::nullopt;

  std::vector<std::string> paths;
  git::TreeListOptions names;
  names.recursive = true;
  names.limit = SIZE_MAX;
  names.with_sizes = false;
  for (git::TreeEntry& entry : git.tree_list(*head, "", names).entries) {
    if (git::is_file_mode(entry.mode)) paths.push_back(std::move(entry.path));
  }
  if (!cards::FileTally::of(cards::RepoKind::kModel, paths).has_weights()) return std::nullopt;
  auto open = [&](const std::string& path) -> std::optional<models::ByteSource> {
    auto entry = git.entry(*head, path);
    if (!entry) return std::nullopt;
    if (entry->pointer) {
      std::shared_ptr<blob::Source> source =
          context_.large_files->open_large(repo.id, entry->pointer->sha256);
      return models::ByteSource{source->size_bytes(), [source](uint64_t offset, uint64_t length) {
                                  Bytes bytes(length);
                                  bytes.resize(source->read(offset, bytes));
                                  return bytes;
                                }};
    }
    auto text = std::make_shared<std::string>(git.read_blob(entry->oid));
    return models::ByteSource{text->size(), [text](uint64_t offset, uint64_t length) {
                                if (offset >= text->size()) return Bytes{};
                                ByteView part = as_bytes(*text).subspan(offset);
                                part = part.first(std::min<size_t>(part.size(), length));
                                return Bytes(part.begin(), part.end());
                              }};
  };
  return read_model_headers(paths, open);
}

}  // namespace hearth::hub
