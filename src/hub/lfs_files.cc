#include "hub/lfs_files.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "db/db.h"
#include "git/git.h"
#include "hub/gc_store.h"
#include "hub/git_dir.h"
#include "hub/ledger.h"
#include "hub/lfs_files_store.h"
#include "hub/receive_store.h"
#include "hub/repositories.h"
#include "hub/repository_store.h"
#include "xet/xet.h"

namespace hearth::hub {
namespace {

/// Where a large file stands.
struct Place {
  std::string path;
  std::string ref;
};

std::map<std::string, Place> places_of(const git::GitRepo& git) {
  std::map<std::string, Place> places;
  for (const git::RefPointers& at : git.pointers_by_ref()) {
    for (const git::NewBlob& blob : at.blobs) {
      places.try_emplace(blob.pointer->sha256, Place{blob.path, at.ref});
    }
  }
  return places;
}

/// Empty: it can be shared.
std::string why_not(const std::optional<xet::LargeObject>& object, const SharedFile& file) {
  if (!object) return "The source repository has no such file.";
  if (file.xet_hash.empty()) return {};
  if (!object->file_hash || object->file_hash->text() != to_lower(file.xet_hash)) {
    return "The source repository has this file under another Xet hash: read it anew.";
  }
  return {};
}

}  // namespace

LfsFilePage LfsFiles::list(const Repo& repo, const std::string& cursor, size_t limit) {
  if (!cursor.empty() && !is_sha256_hex(cursor)) {
    throw Error(ErrorKind::kInvalid, "This cursor is not one that the hub gave out.");
  }
  auto objects = context_.large_files->list(
      repo.id, {.after_sha256 = cursor, .limit = static_cast<int64_t>(limit + 1)});
  LfsFilePage page;
  if (objects.empty()) return page;
  auto places = places_of(repositories_.open_git(repo));
  for (const xet::LargeObject& object : objects) {
    if (page.files.size() == limit) {
      page.next_cursor = page.files.back().sha256;
      break;
    }
    LfsFile file{
        .sha256 = object.sha256, .size_bytes = object.size_bytes, .pushed_ms = object.created_ms};
    if (object.file_hash) file.xet_hash = object.file_hash->text();
    if (auto at = places.find(object.sha256); at != places.end()) {
      file.path = at->second.path;
      file.ref = at->second.ref;
    }
    page.files.push_back(std::move(file));
  }
  return page;
}

std::map<std::string, xet::LargeObject> LfsFiles::readable(
    const Repo& repo, const std::vector<std::string>& sha256s) {
  return context_.database->read([&](db::Tx& tx) {
    auto found = xet::XetStore::find_many_in(tx, repo.id, sha256s);
    for (const std::string& sha256 : lfs_deletions(tx, repo.id)) found.erase(sha256);
    return found;
  });
}

void LfsFiles::remove(const Caller& caller, const Repo& repo, const Deletion& deletion) {
  std::set<std::string> wanted;
  for (const std::string& sha256 : deletion.sha256s) wanted.insert(to_lower(sha256));
  RepoLock held = receive_.lock(repo);
  auto there = context_.large_files->find_many(repo.id, {wanted.begin(), wanted.end()});
  std::erase_if(wanted, [&](const std::string& sha256) { return !there.contains(sha256); });
  if (wanted.empty()) return;
  if (deletion.rewrite_history) rewrite(held, caller.actor(), repo, wanted);
  std::vector<std::string> sha256s(wanted.begin(), wanted.end());
  context_.database->write([&](db::Tx& tx) {
    if (!lock_repo_row(tx, repo.id)) return;
    xet::XetStore::forget_objects(tx, repo.id, sha256s);
    set_rights_due(tx, repo.id);
    StorageChange storage(tx, repo.id, sha256s);
    insert_lfs_deletions(tx, repo.id, sha256s, caller.actor(), context_.clock->now_ms());
    storage.record(0, nullptr);
    json::object detail;
    detail["files"] = sha256s.size();
    detail["rewriteHistory"] = deletion.rewrite_history;
    context_.audit->append(tx, caller.actor(), "repo.lfs_delete", repo.id, detail);
  });
}

void LfsFiles::rewrite(const RepoLock& held, const Actor& by, const Repo& repo,
                       const std::set<std::string>& sha256s) {
  git::GitRepo git = repositories_.open_git(repo);
  std::unordered_set<git::Oid> blobs;
  for (const git::NewBlob& blob : git.all_pointers()) {
    if (sha256s.contains(blob.pointer->sha256)) blobs.insert(blob.oid);
  }
  if (blobs.empty()) return;
  git::Quarantine quarantine(repositories_.git_dir(repo));
  auto rewritten = git::GitRepo::open_with(git.dir(), quarantine).rewrite_without(blobs);
  for (const git::RewrittenRef& ref : rewritten) {
    Change change;
    change.kind = ChangeKind::kRewrite;
    change.ref = {ref.full_name, ref.old_target.hex(), ref.new_target.hex()};
    // The first takes all objects over.
    receive_.apply(held, by, repo, git, &quarantine, std::move(change));
  }
  context_.database->write([&](db::Tx& tx) {
    std::vector<std::string> oids;
    for (const git::Oid& oid : blobs) oids.push_back(oid.hex());
    StorageChange storage(tx, repo.id, {sha256s.begin(), sha256s.end()});
    delete_pointers(tx, repo.id, oids);
    storage.record(0, nullptr);
  });
}

std::vector<SharingFailure> LfsFiles::share(const Repo& source, const Repo& target,
                                            const std::vector<SharedFile>& files) {
  return context_.database->write([&](db::Tx& tx) {
    std::vector<SharingFailure> failures;
    int64_t now_ms = context_.clock->now_ms();
    for (const SharedFile& file : files) {
      std::string sha256 = to_lower(file.sha256);
      std::string reason = why_not(xet::XetStore::find_in(tx, source.id, sha256), file);
      if (!reason.empty()) {
        failures.push_back({file.sha256, reason});
      } else {
        xet::XetStore::copy_object(tx, source.id, target.id, sha256, now_ms);
      }
    }
    return failures;
  });
}

}  // namespace hearth::hub
