#include "hub/index_work.h"

#include <algorithm>

#include "base/text.h"
#include "hub/audit.h"
#include "hub/community_store.h"
#include "hub/listing.h"
#include "hub/repository_store.h"
#include "hub/tasks.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kMain = "refs/heads/main";
constexpr size_t kTitleBytesMax = 500;
constexpr size_t kNotedCommitsMax = 250;  // Events of one push to a pull request.

uint64_t count_commits(git::GitRepo& git, const git::Oid& now, const RefHead* before) {
  if (before != nullptr) {
    auto known = git::Oid::parse(before->commit_oid);
    if (known && git.has_object(*known) && git.is_ancestor(*known, now)) {
      return before->commit_count + git.count_commits(now, {*known});
    }
  }
  return git.count_commits(now);
}

/// The commit that a branch's count can begin from when the ref is new: most begin at main.
const RefHead* known_head(const IndexSeen& seen, const std::string& ref) {
  auto at = seen.heads.find(ref);
  if (at == seen.heads.end()) at = seen.heads.find(std::string(kMain));
  return at == seen.heads.end() ? nullptr : &at->second;
}

std::vector<CommitEntry> new_commits(git::GitRepo& git, const RefUpdateRow& row) {
  auto now = git::Oid::parse(row.new_oid);
  if (!now || !git.has_object(*now)) return {};
  git::LogOptions options;
  options.limit = kNotedCommitsMax;
  std::string before = row.old_oid;
  if (before.empty()) {
    const json::object* open = get_object(row.payload, "open");
    if (open != nullptr) before = get_string(*open, "base_oid").value_or("");
  }
  if (auto hide = git::Oid::parse(before); hide && git.has_object(*hide)) {
    options.hide.push_back(*hide);
  }
  std::vector<CommitEntry> commits;
  for (const git::CommitInfo& info : git.log(*now, options)) {
    commits.push_back({info.oid.hex(),
                       std::string(cut_utf8(info.title, kTitleBytesMax)),
                       info.body,
                       {info.author.name},
                       info.committer.time_ms});
  }
  std::reverse(commits.begin(), commits.end());
  return commits;
}

void write_event(db::Tx& tx, const HubContext& context, const Repo& repo, const RefUpdateRow& row) {
  json::object detail;
  detail["ref"] = row.ref;
  detail["old"] = row.old_oid;
  detail["new"] = row.new_oid;
  context.audit->append(tx, row.actor, "repo." + row.kind, repo.id, detail);
  NewTask event = content_task(repo.id);
  event.owner_id = row.actor.user_id;
  context.tasks->enqueue(tx, event);
}

/// Every ref anew, by git alone; what the database has besides goes.
void work_out_all_refs(git::GitRepo& git, const IndexSeen& seen, IndexWork& work) {
  for (const auto& [ref, head] : seen.heads) work.heads[ref] = std::nullopt;
  for (const auto& [ref, target] : seen.tags) work.tags[ref] = std::nullopt;
  git::RefList refs = git.refs();
  for (const git::Ref& tag : refs.tags) work.tags[tag.full_name] = tag.target.hex();
  for (const auto& [ref, head] : heads_of_git(git, refs)) work.heads[ref] = head;
}

/// Whether the database says of the refs what the work was worked out from.
bool is_as_seen(db::Tx& tx, const std::string& repo_id, const IndexWork& work) {
  for (const auto& [ref, head] : work.heads) {
    auto now = find_ref_head(tx, repo_id, ref);
    auto then = work.seen.heads.find(ref);
    bool was_there = then != work.seen.heads.end();
    if (now.has_value() != was_there) return false;
    if (now && now->commit_oid != then->second.commit_oid) return false;
  }
  for (const auto& [ref, target] : work.tags) {
    auto now = find_ref_tag(tx, repo_id, ref);
    auto then = work.seen.tags.find(ref);
    bool was_there = then != work.seen.tags.end();
    if (now.has_value() != was_there || (now && *now != then->second)) return false;
  }
  return true;
}

}  // namespace

NewTask content_task(const std::string& repo_id) {
  NewTask task;
  task.kind = "repo.content";
  task.payload["repo_id"] = repo_id;
  task.unique_key = repo_id;  // What it does looks at the newest state.
  return task;
}

std::vector<PointerRow> pointer_rows(const std::vector<git::NewBlob>& blobs) {
  std::vector<PointerRow> rows;
  for (const git::NewBlob& blob : blobs) {
    if (!blob.pointer) continue;
    rows.push_back(
        {blob.oid.hex(), blob.pointer->sha256, blob.pointer->size_bytes, blob.blob_bytes});
  }
  return rows;
}

std::vector<std::string> sha256s_of(const std::vector<PointerRow>& pointers) {
  std::vector<std::string> sha256s;
  for (const PointerRow& pointer : pointers) sha256s.push_back(pointer.sha256);
  return sha256s;
}

std::map<std::string, RefHead> heads_of_git(git::GitRepo& git, const git::RefList& refs) {
  IndexSeen counted;  // Most other refs begin at main: that is counted once.
  if (auto main = git.ref_commit(kMain)) {
    counted.heads[std::string(kMain)] = RefHead{main->hex(), git.count_commits(*main)};
  }
  std::map<std::string, RefHead> heads;
  for (const auto* group : {&refs.branches, &refs.pull_requests, &refs.converts}) {
    for (const git::Ref& ref : *group) {
      heads[ref.full_name] = RefHead{
          ref.commit.hex(), count_commits(git, ref.commit, known_head(counted, ref.full_name))};
    }
  }
  return heads;
}

IndexWork work_out_index(PathIndex& path_index, const Repo& repo, IndexSeen seen, git::GitRepo& git,
                         const std::vector<RefUpdateRow>& rows, IndexWorkOptions options) {
  IndexWork work;
  auto main = git.ref_commit(kMain);
  std::string main_oid = main ? main->hex() : std::string();
  work.main_moved = options.rebuild || main_oid != seen.head_oid || main_oid != seen.indexed_oid;
  if (work.main_moved) {
    work.paths = path_index.work_out(git, options.rebuild ? "" : seen.indexed_oid, main_oid);
    work.paths.from_oid = seen.indexed_oid;
    if (main) {
      bool known = !options.rebuild && seen.files && !seen.indexed_oid.empty() &&
                   seen.files->commit_oid == seen.indexed_oid;
      work.facts = facts_of_commit(git, repo.type, *main, known ? seen.files : std::nullopt);
    }
  }
  for (const RefUpdateRow& row : rows) {
    if (row.ref.starts_with(git::kTagPrefix)) {
      auto target = git.read_ref(row.ref);
      work.tags[row.ref] = target ? std::optional(target->hex()) : std::nullopt;
      continue;
    }
    auto now = git.ref_commit(row.ref);
    if (!now) {
      work.heads[row.ref] = std::nullopt;
      continue;
    }
    // Rewritten commits are nobody's news.
    if (row.ref.starts_with(git::kPullRequestPrefix) && row.kind != kRewriteKind) {
      work.commits[row.id] = new_commits(git, row);
    }
    work.heads[row.ref] = RefHead{now->hex(), count_commits(git, *now, known_head(seen, row.ref))};
  }
  if (options.rebuild) work_out_all_refs(git, seen, work);
  if (work.main_moved && main && !work.heads.contains(std::string(kMain))) {
    work.heads[std::string(kMain)] =
        RefHead{main_oid, count_commits(git, *main, known_head(seen, std::string(kMain)))};
  }
  work.seen = std::move(seen);
  return work;
}

bool record_index_work(db::Tx& tx, const HubContext& context, const Repo& repo,
                       const std::vector<RefUpdateRow>& rows, const IndexWork& work) {
  // Another process may have noted a newer value meanwhile: an older one must not replace it. A
  // backup takes the refs from these rows.
  if (!is_as_seen(tx, repo.id, work)) return false;
  if (work.main_moved) {
    if (!PathIndex::apply(tx, repo.id, work.paths)) return false;
    Repo now = repo;
    now.head_oid = work.paths.to_oid;
    for (const RefUpdateRow& row : rows) {
      if (row.ref == kMain) now.updated_ms = std::max(now.updated_ms, row.created_ms);
    }
    set_repo_head(tx, repo.id, now.head_oid, now.updated_ms);
    index_repo(tx, now, work.facts);
  }
  for (const auto& [ref, head] : work.heads) {
    if (head) {
      set_ref_head(tx, repo.id, ref, *head);
    } else {
      delete_ref_head(tx, repo.id, ref);
    }
  }
  for (const auto& [ref, target] : work.tags) {
    if (target) {
      set_ref_tag(tx, repo.id, ref, *target);
    } else {
      delete_ref_tag(tx, repo.id, ref);
    }
  }
  for (const RefUpdateRow& row : rows) {
    if (!mark_done(tx, row.id)) continue;
    auto commits = work.commits.find(row.id);
    complete_pull_request(
        tx, row, commits == work.commits.end() ? std::vector<CommitEntry>{} : commits->second);
    write_event(tx, context, repo, row);
  }
  return true;
}

}  // namespace hearth::hub
