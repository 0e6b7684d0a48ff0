#include "hub/receive.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <set>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>

#include "base/log.h"
#include "base/text.h"
#include "cards/cards.h"
#include "db/db.h"
#include "hub/access.h"
#include "hub/gc_store.h"
#include "hub/git_dir.h"
#include "hub/index_work.h"
#include "hub/ledger.h"
#include "hub/lfs_files_store.h"
#include "hub/listing.h"
#include "hub/path_index.h"
#include "hub/receive_store.h"
#include "hub/repository_store.h"
#include "hub/tasks.h"
#include "xet/xet.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kMain = "refs/heads/main";
constexpr int kSettleAttemptsMax = 10;
constexpr int kTakeBackTriesMax = 3;
constexpr size_t kNamedFilesMax = 20;

std::string_view kind_text(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kPush:
      return "push";
    case ChangeKind::kCommit:
      return "commit";
    case ChangeKind::kBranch:
      return "branch";
    case ChangeKind::kTag:
      return "tag";
    case ChangeKind::kMerge:
      return "merge";
    case ChangeKind::kCreate:
      return "create";
    case ChangeKind::kRewrite:
      return kRewriteKind;
  }
  return "push";
}

std::optional<git::Oid> oid_or_nothing(const std::string& hex) {
  if (hex.empty()) return std::nullopt;
  auto oid = git::Oid::parse(hex);
  HEARTH_ASSERT(oid.has_value(), "object ids of a change are 40 hex digits");
  return oid;
}

json::object payload_of(const Change& change) {
  json::object payload;
  if (change.open) {
    json::object open;
    open["title"] = change.open->title;
    open["description"] = change.open->description;
    open["base_ref"] = change.open->base_ref;
    open["base_oid"] = change.open->base_oid;
    open["is_draft"] = change.open->is_draft;
    payload["open"] = std::move(open);
  }
  if (change.merge) {
    json::object merge;
    merge["num"] = change.merge->num;
    merge["comment"] = change.merge->comment;
    payload["merge"] = std::move(merge);
  }
  return payload;
}

/// Whether the ref stands where the row wanted it, or has moved on from there.
bool has_moved(git::GitRepo& git, const RefUpdateRow& row) {
  auto now = git.read_ref(row.ref);
  if (row.new_oid.empty()) return !now;
  if (!now) return false;
  if (now->hex() == row.new_oid) return true;
  auto wanted = git::Oid::parse(row.new_oid);
  auto commit = git.ref_commit(row.ref);
  return wanted && commit && now->hex() != row.old_oid && git.has_object(*wanted) &&
         git.is_ancestor(*wanted, *commit);
}

std::string listing(const std::vector<std::string>& lines) {
  std::string text;
  for (size_t i = 0; i < lines.size() && i < kNamedFilesMax; ++i) {
    text += (i == 0 ? "" : ", ") + lines[i];
  }
  if (lines.size() > kNamedFilesMax) {
    text += fmt::format(" and {} more", lines.size() - kNamedFilesMax);
  }
  return text;
}

/// git's own check of these two files (fsck.c: gitmodulesName, gitmodulesPath, gitmodulesUrl,
/// gitmodulesUpdate, gitattributesLineLength). A push meets it in git; what comes by the API must
/// meet it too, or nobody could push to the repository any more, nor clone it with checks on.
std::string why_git_refuses(std::string_view name, std::string_view content) {
  constexpr size_t kAttributeLineMax = 2048;
  bool is_modules = equals_ignoring_case(name, ".gitmodules");
  for (std::string_view line : split(content, '\n')) {
    if (!is_modules) {
      if (line.size() >= kAttributeLineMax) return "a line is longer than 2,048 bytes";
      continue;
    }
    line = trim(line);
    if (line.starts_with('[')) {
      std::string submodule = replace_all(line, "\\", "/");
      for (std::string_view part : split(submodule, '/')) {
        if (trim(replace_all(replace_all(part, "\"", " "), "]", " ")).ends_with("..")) {
          return "the name of a submodule leads up";
        }
      }
      continue;
    }
    size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    std::string key = to_lower(trim(line.substr(0, equals)));
    std::string value = replace_all(trim(line.substr(equals + 1)), "\"", "");
    if ((key == "path" || key == "url") && value.starts_with('-')) {
      return "the " + key + " of a submodule begins with a dash";
    }
    if (key == "update" && value.starts_with('!')) return "a submodule names a command";
  }
  return {};
}

void check_git_files(const git::GitRepo& git, const git::Quarantine* quarantine,
                     const std::vector<git::NewBlob>& blobs) {
  for (const git::NewBlob& blob : blobs) {
    std::string_view name = std::string_view(blob.path).substr(blob.path.rfind('/') + 1);
    if (!equals_ignoring_case(name, ".gitmodules") && !equals_ignoring_case(name, ".gitattributes"))
      continue;
    std::string content = quarantine != nullptr
                              ? git::GitRepo::open_with(git.dir(), *quarantine).read_blob(blob.oid)
                              : git.read_blob(blob.oid);
    std::string why = why_git_refuses(name, content);
    if (!why.empty()) {
      throw Error(ErrorKind::kUnprocessable, "git would refuse " + blob.path + ": " + why + ".");
    }
  }
}

/// Locks a folder itself for other processes. Empty: it took too long.
Fd lock_folder(const fs::path& dir, std::chrono::milliseconds wait) {
  Fd fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOENT) {
    throw Error(ErrorKind::kNotFound, "Repository not found", {.code = "RepoNotFound"});
  }
  if (!fd) throw_errno("open " + dir.string(), errno);
  const auto until = std::chrono::steady_clock::now() + wait;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    // A file system that locks no folders (NFS): there one process alone may work on the data.
    if (errno == EBADF || errno == EOPNOTSUPP || errno == ENOLCK) return fd;
    if (errno != EWOULDBLOCK && errno != EINTR) throw_errno("lock " + dir.string(), errno);
    if (std::chrono::steady_clock::now() >= until) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return fd;
}

}  // namespace

Receive::Receive(HubContext context, PathIndex& path_index)
    : context_(std::move(context)), path_index_(path_index) {}

RepoLock Receive::lock(const Repo& repo) {
  constexpr auto kWait = std::chrono::seconds(30);
  RepoLock held;
  held.mine_ = {locks_[std::hash<std::string>()(repo.id) % locks_.size()], std::defer_lock};
  bool locked = held.mine_.try_lock_for(kWait);
  if (locked) {
    // What another process has recorded and not yet done is no leftover of a crash: 'hearth gc'
    // beside the server took it for one, dropped it, and with it the pointers of the commit.
    held.others_ = lock_folder(git_dir(context_, repo.id), kWait);
    locked = static_cast<bool>(held.others_);
  }
  if (locked) {
    auto kept = git::ObjectsKept::take(git_dir(context_, repo.id), kWait);
    locked = kept.has_value();
    if (locked) held.kept_ = std::move(*kept);
  }
  if (!locked) {
    throw Error(ErrorKind::kUnavailable,
                "This repository is being changed by others. Please try again.",
                {.retry_after_s = 5});
  }
  return held;
}

std::optional<int64_t> Receive::apply(const RepoLock& held, const Actor& by, const Repo& repo,
                                      git::GitRepo& git, git::Quarantine* quarantine,
                                      Change change) {
  HEARTH_ASSERT(held.owns_lock(), "a change of a repository holds its lock");
  if (quarantine == nullptr && change.blobs.empty() && !change.ref.new_oid.empty()) {
    // A ref for what is there already. When no ref has reached it for a while, its large files may
    // have gone.
    change.blobs = git.new_objects({*oid_or_nothing(change.ref.new_oid)}).blobs;
  }
  check_content(repo, change.blobs);
  check_git_files(git, quarantine, change.blobs);
  finish_pending(repo);
  RefUpdateRow row;
  row.id = new_object_id();
  row.repo_id = repo.id;
  row.old_oid = change.ref.old_oid;
  row.new_oid = change.ref.new_oid;
  row.kind = kind_text(change.kind);
  row.actor = by;
  row.created_ms = context_.clock->now_ms();
  auto pointers = pointer_rows(change.blobs);
  std::vector<std::string> sha256s = sha256s_of(pointers);
  for (std::string& sha256 : merged_back(repo, git, quarantine, change)) {
    sha256s.push_back(std::move(sha256));
  }
  uint64_t git_bytes = quarantine != nullptr ? quarantine->bytes() : 0;
  // Whoever stores too much can still delete, squash and merge.
  const QuotaDefaults* quotas = change.blobs.empty() ? nullptr : &context_.quotas;
  auto num = context_.database->write([&](db::Tx& tx) -> std::optional<int64_t> {
    if (!lock_repo_row(tx, repo.id)) {
      throw Error(ErrorKind::kNotFound, "Repository not found", {.code = "RepoNotFound"});
    }
    std::optional<int64_t> taken;
    row.ref = change.ref.ref;
    row.payload = payload_of(change);
    if (change.open) {
      taken = next_discussion_number(tx, repo.id);
      row.ref = std::string(git::kPullRequestPrefix) + std::to_string(*taken);
    }
    require_objects(tx, repo, pointers);
    StorageChange storage(tx, repo.id, sha256s);
    insert_pending(tx, row);
    insert_pointers(tx, repo.id, pointers);
    if (!row.ref.starts_with(git::kPullRequestPrefix)) {  // Anyone may open one.
      delete_lfs_deletions(tx, repo.id, sha256s);
    }
    storage.record(git_bytes, quotas);
    return taken;
  });
  failpoint("receive.recorded");
  if (quarantine != nullptr) quarantine->migrate();
  failpoint("receive.migrated");
  git::RefUpdateResult result;
  try {
    result = git.update_ref_cas({.full_name = row.ref,
                                 .expected_old = oid_or_nothing(row.old_oid),
                                 .new_target = oid_or_nothing(row.new_oid)});
  } catch (const Error&) {
    // The ref may stand at its new place, and only the flush of its folder have failed.
    take_back_or_log(repo, git, {row});
    throw;
  }
  if (result == git::RefUpdateResult::kChangedMeanwhile) {
    drop(repo, {row.id});
    throw Error(ErrorKind::kConflict, "The reference was changed meanwhile. Please try again.",
                {.code = "RefMoved"});
  }
  failpoint("receive.moved");
  settle_or_take_back(repo, git, {row});
  return num;
}

std::vector<std::string> Receive::merged_back(const Repo& repo, const git::GitRepo& git,
                                              git::Quarantine* quarantine, const Change& change) {
  if (change.kind != ChangeKind::kMerge || change.ref.old_oid.empty()) return {};
  auto deleted = context_.database->read([&](db::Tx& tx) { return lfs_deletions(tx, repo.id); });
  if (deleted.empty()) return {};
  std::optional<git::GitRepo> with_new;
  if (quarantine != nullptr) with_new = git::GitRepo::open_with(git.dir(), *quarantine);
  const git::GitRepo& merged = with_new ? *with_new : git;
  std::vector<std::string> found;
  git::Oid before = merged.tree_of(*oid_or_nothing(change.ref.old_oid));
  git::Oid after = merged.tree_of(*oid_or_nothing(change.ref.new_oid));
  for (const git::PathChange& path : merged.diff_paths(before, after)) {
    if (path.kind == git::ChangeKind::kDeleted) continue;
    auto pointer = merged.read_pointer(path.new_oid);
    if (pointer && deleted.contains(pointer->sha256)) found.push_back(pointer->sha256);
  }
  return found;
}

void Receive::drop(const Repo& repo, const std::vector<std::string>& update_ids) {
  context_.database->write([&](db::Tx& tx) {
    for (const std::string& id : update_ids) mark_dropped(tx, id);
    // What it brought is recorded and belongs to nothing: refs are where they were, and only this
    // has the next collection compare them, and the objects measured anew.
    forget_marked_refs(tx, repo.id);
    context_.tasks->enqueue(tx, content_task(repo.id));
  });
}

void Receive::settle_or_take_back(const Repo& repo, git::GitRepo& git,
                                  const std::vector<RefUpdateRow>& rows) {
  try {
    settle(repo, git, rows);
  } catch (...) {
    take_back_or_log(repo, git, rows);
    throw;
  }
}

void Receive::take_back_or_log(const Repo& repo, git::GitRepo& git,
                               const std::vector<RefUpdateRow>& rows) {
  try {
    take_back(repo, git, rows);
  } catch (const Error& error) {
    // The rows stay pending, and the next start or change completes them.
    log_error("refs of repository {} have moved, and the database does not know: {}", repo.id,
              error.what());
  }
}

void Receive::take_back(const Repo& repo, git::GitRepo& git,
                        const std::vector<RefUpdateRow>& rows) {
  // Writes nothing, which a full disk allows. The lock waits for a commit whose answer was lost:
  // its rows are no longer pending, and stay done.
  std::set<std::string> pending = context_.database->write([&](db::Tx& tx) {
    std::set<std::string> ids;
    if (!lock_repo_row(tx, repo.id)) return ids;
    for (const RefUpdateRow& row : pending_rows(tx, repo.id)) ids.insert(row.id);
    return ids;
  });
  for (const RefUpdateRow& row : rows) {
    if (!pending.contains(row.id)) continue;
    for (int tries_left = kTakeBackTriesMax; true;) {
      try {
        git.update_ref_cas({.full_name = row.ref,
                            .expected_old = oid_or_nothing(row.new_oid),
                            .new_target = oid_or_nothing(row.old_oid)});
        break;
      } catch (const Error&) {  // A failing disk may do it the next time.
        if (--tries_left == 0) throw;
      }
    }
  }
}

void Receive::settle(const Repo& repo, git::GitRepo& git, const std::vector<RefUpdateRow>& rows) {
  bool moves_tags = std::ranges::any_of(
      rows, [](const RefUpdateRow& row) { return row.ref.starts_with(git::kTagPrefix); });
  for (int attempt = 0; attempt < kSettleAttemptsMax; ++attempt) {
    std::optional<Repo> now;
    IndexSeen seen;
    context_.database->read([&](db::Tx& tx) {
      now = find_repo_row(tx, repo.id);
      if (!now) return;
      seen = {now->head_oid, PathIndex::indexed_commit(tx, repo.id), ref_heads(tx, repo.id)};
      if (moves_tags) seen.tags = ref_tags(tx, repo.id);
      seen.files = load_tally(tx, repo.id);
    });
    if (!now) return;  // Removed meanwhile, with all that is about it.
    IndexWork work = work_out_index(path_index_, *now, std::move(seen), git, rows);
    bool written = context_.database->write([&](db::Tx& tx) {
      if (!lock_repo_row(tx, repo.id)) return true;
      return record_index_work(tx, context_, *now, rows, work);
    });
    if (written) return;
  }
  // The rows stay pending; the next start, or the next change of this repository, ends them.
  log_warning("the index of repository {} is behind: others keep changing it", repo.id);
}

void Receive::check_content(const Repo& repo, const std::vector<git::NewBlob>& blobs) {
  std::vector<std::string> large;
  std::vector<std::string> wanted;
  for (const git::NewBlob& blob : blobs) {
    if (blob.pointer) {
      wanted.push_back(blob.pointer->sha256);
    } else if (blob.blob_bytes > git::kRegularBlobBytesMax) {
      large.push_back(blob.path);
    }
  }
  if (!large.empty()) {
    throw Error(ErrorKind::kUnprocessable,
                "Your push was rejected because it contains files larger than 10 MiB. Please use "
                "https://git-lfs.github.com/ to store large files. Offending files: " +
                    listing(large));
  }
  if (wanted.empty()) return;
  auto stored = context_.large_files->find_many(repo.id, wanted);
  std::vector<std::string> missing;
  for (const git::NewBlob& blob : blobs) {
    if (!blob.pointer) continue;
    auto at = stored.find(blob.pointer->sha256);
    if (at == stored.end()) {
      missing.push_back(blob.path + " (" + blob.pointer->sha256 + ")");
    } else if (at->second.size_bytes != blob.pointer->size_bytes) {
      missing.push_back(fmt::format("{} ({} has {} bytes, not {})", blob.path, blob.pointer->sha256,
                                    at->second.size_bytes, blob.pointer->size_bytes));
    }
  }
  if (!missing.empty()) {
    throw Error(ErrorKind::kUnprocessable,
                "These LFS objects were not uploaded to this repository: " + listing(missing) +
                    ". Upload them first (git lfs push --all).");
  }
}

void Receive::require_objects(db::Tx& tx, const Repo& repo,
                              const std::vector<PointerRow>& pointers) {
  std::vector<std::string> wanted;
  for (const PointerRow& pointer : pointers) wanted.push_back(pointer.sha256);
  auto stored = xet::XetStore::find_many_in(tx, repo.id, wanted);
  for (const std::string& sha256 : wanted) {
    if (stored.contains(sha256)) continue;
    throw Error(ErrorKind::kUnprocessable,
                "The LFS object " + sha256 +
                    " was removed meanwhile, because nothing had referred "
                    "to it for long. Upload it again.");
  }
}

void Receive::catch_up(const Repo& repo) {
  auto held = lock(repo);
  finish_pending(repo);
  auto git = git::GitRepo::open(git_dir(context_, repo.id));
  auto main = git.ref_commit(kMain);
  bool behind = context_.database->read([&](db::Tx& tx) {
    auto now = find_repo_row(tx, repo.id);
    return now && main &&
           (now->head_oid != main->hex() || PathIndex::indexed_commit(tx, repo.id) != main->hex());
  });
  if (behind) settle(repo, git, {});
}

void Receive::finish_pending(const Repo& repo) {
  auto rows = context_.database->read([&](db::Tx& tx) { return pending_rows(tx, repo.id); });
  if (rows.empty()) return;
  auto git = git::GitRepo::open(git_dir(context_, repo.id));
  std::vector<RefUpdateRow> moved;
  for (RefUpdateRow& row : rows) {
    if (has_moved(git, row)) {
      moved.push_back(std::move(row));
    } else {
      drop(repo, {row.id});
    }
  }
  if (!moved.empty()) settle(repo, git, moved);
}

std::vector<std::string> Receive::pending_repos() {
  return context_.database->read([&](db::Tx& tx) { return repos_with_pending_rows(tx); });
}

void Receive::note_tags(const Repo& repo) {
  auto git = git::GitRepo::open(git_dir(context_, repo.id));
  auto tags = git.refs().tags;
  if (tags.empty()) return;
  context_.database->write([&](db::Tx& tx) {
    if (!lock_repo_row(tx, repo.id)) return;
    auto known = ref_tags(tx, repo.id);
    for (const git::Ref& tag : tags) {
      if (known.contains(tag.full_name)) continue;
      // Read again with the row locked: whoever moves the tag from here on notes it after this.
      if (auto target = git.read_ref(tag.full_name)) {
        set_ref_tag(tx, repo.id, tag.full_name, target->hex());
      }
    }
  });
}

void Receive::rebuild_index(const Repo& repo) {
  auto held = lock(repo);
  auto git = git::GitRepo::open(git_dir(context_, repo.id));
  if (!git.head_is_main()) git.point_head_to_main();
  std::vector<PointerRow> pointers = pointer_rows(git.all_pointers());
  // A commit was only taken with its large files there: what history names belongs to it. Those
  // that are lost are for verify to tell; those that were deleted stay so.
  auto deleted = context_.database->read([&](db::Tx& tx) { return lfs_deletions(tx, repo.id); });
  for (const PointerRow& pointer : pointers) {
    if (deleted.contains(pointer.sha256)) continue;
    context_.large_files->relink(repo.id, {pointer.sha256, pointer.size_bytes});
  }
  for (int attempt = 0; attempt < kSettleAttemptsMax; ++attempt) {
    std::optional<Repo> now;
    IndexSeen seen;
    context_.database->read([&](db::Tx& tx) {
      now = find_repo_row(tx, repo.id);
      if (!now) return;
      seen = {now->head_oid, PathIndex::indexed_commit(tx, repo.id), ref_heads(tx, repo.id),
              ref_tags(tx, repo.id)};
    });
    if (!now) return;
    IndexWork work = work_out_index(path_index_, *now, std::move(seen), git, {}, {.rebuild = true});
    bool written = context_.database->write([&](db::Tx& tx) {
      if (!lock_repo_row(tx, repo.id)) return true;
      put_pointers(tx, repo.id, pointers);
      recount_large_files(tx, repo.id);
      return record_index_work(tx, context_, *now, {}, work);
    });
    if (written) return;
  }
  throw Error(ErrorKind::kUnavailable, "Others keep changing this repository. Please try again.");
}

}  // namespace hearth::hub
