// What `hearth verify` compares about repositories.

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "db/db.h"
#include "git/git.h"
#include "hub/commit_facts.h"
#include "hub/git_dir.h"
#include "hub/index_work.h"
#include "hub/installation.h"
#include "hub/ledger.h"
#include "hub/lfs_files_store.h"
#include "hub/listing.h"
#include "hub/path_index.h"
#include "hub/receive.h"
#include "hub/receive_store.h"
#include "hub/repositories.h"
#include "hub/repository_store.h"
#include "hub/tasks.h"
#include "xet/xet.h"

namespace hearth::hub {
namespace {

constexpr int64_t kPage = 500;
constexpr size_t kFsckLinesMax = 10;

/// Whether a folder that nobody owns vanishes while one looks: the task that removes it is at work.
bool is_going(const fs::path& path) {
  constexpr int kLooksMax = 20;
  for (int look = 0; look < kLooksMax; ++look) {
    if (!fs::exists(path)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
  return false;
}

/// Whether a task of this kind has still to do something, or could not.
bool is_any_waiting(Tasks& tasks, const std::string& kind) {
  return std::ranges::any_of(
      std::array{TaskState::kQueued, TaskState::kRunning, TaskState::kFailed},
      [&](TaskState state) {
        TaskFilter filter{.state = state, .kind = kind};
        filter.limit = 1;
        return !tasks.list(filter).empty();
      });
}

}  // namespace

RepoProblems Repositories::verify() {
  RepoProblems found;
  std::set<std::string> known;
  std::string after;
  while (true) {
    auto repos = list(after, kPage);
    if (repos.empty()) break;
    for (const Repo& repo : repos) {
      known.insert(repo.id);
      ++found.checked_count;
      verify_settled(repo, found.problems);
    }
    after = repos.back().id;
  }
  for (const DeletedRepo& gone : deleted()) {
    known.insert(gone.repo.id);
    ++found.checked_count;
    verify_deleted(gone.repo, found.problems);
  }
  for (std::string& problem : Ledger(context_).wrong_sums()) {
    found.problems.push_back(std::move(problem));
  }
  std::error_code error;
  for (const auto& shelf : fs::directory_iterator(context_.data_dir / "git", error)) {
    for (const auto& entry : fs::directory_iterator(shelf.path(), error)) {
      std::string id = entry.path().stem().string();
      // A repository that was made or removed while this ran is none, nor one that is being made:
      // its mark goes with the end of that, or with the next start.
      std::string name = entry.path().filename().string();
      if (name.starts_with(".tmp-") || name.find(git::kUnfinishedMark) != std::string::npos) {
        continue;  // As the marks, it goes at the next start.
      }
      name.resize(std::min(name.find(".git"), name.size()));
      if (known.contains(id) || fs::exists(shelf.path() / (name + ".git.creating"))) continue;
      if (is_known(name) || is_going(entry.path())) continue;
      found.problems.push_back("the folder git/" + shelf.path().filename().string() + "/" +
                               entry.path().filename().string() +
                               " belongs to no repository: a creation or a removal was cut short");
    }
  }
  return found;
}

void Repositories::verify_settled(const Repo& repo, std::vector<std::string>& problems) {
  constexpr int kLooksMax = 5;
  std::optional<Repo> now = repo;
  for (int look = 1; now; ++look) {
    std::string name =
        fmt::format("{} {} ({})", to_string(now->type), now->repo_id.full(), now->id);
    std::vector<std::string> found;
    try {
      verify_one(*now, name, found);
    } catch (const std::exception& error) {
      found.push_back(name + " cannot be read: " + error.what());
    }
    if (found.empty()) return;
    // What was seen may be a change under way: a name whose task has not yet written it to the
    // folder, a folder on its way out. Damage is still there at the last look.
    if (look == kLooksMax) {
      problems.insert(problems.end(), found.begin(), found.end());
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100 * look));
    now = find_by_id(repo.id);
  }
}

void Repositories::verify_deleted(const Repo& repo, std::vector<std::string>& problems) {
  std::vector<std::string> found;
  try {
    verify_one(
        repo,
        fmt::format("{} {} ({}), deleted,", to_string(repo.type), repo.repo_id.full(), repo.id),
        found);
  } catch (const std::exception& error) {
    found.push_back("the deleted repository " + repo.id + " cannot be read: " + error.what());
  }
  // Nobody changes it: what is wrong is damage, unless it was brought back or removed meanwhile.
  if (find_deleted(repo.id)) problems.insert(problems.end(), found.begin(), found.end());
}

void Repositories::verify_one(const Repo& repo, const std::string& name,
                              std::vector<std::string>& problems) {
  git::GitRepo git = open_git(repo);
  auto lines = git.fsck();
  for (size_t i = 0; i < lines.size() && i < kFsckLinesMax; ++i) {
    problems.push_back(name + ": git fsck says: " + lines[i]);
  }
  git::RepoConfig config = git.config();
  if (config.repo_id != repo.id || config.type != to_string(repo.type) ||
      config.name != repo.repo_id.full() || config.owner != repo.namespace_id) {
    problems.push_back(name + ": its git config names it " + config.type + " " + config.name);
  }

  std::vector<std::string> wanted;
  std::map<std::string, git::LfsPointer> pointers;
  auto blobs = git.all_pointers();
  for (const git::NewBlob& blob : blobs) {
    pointers.emplace(blob.pointer->sha256, *blob.pointer);
  }
  for (const auto& [sha256, pointer] : pointers) wanted.push_back(sha256);
  auto objects = context_.large_files->find_many(repo.id, wanted);
  auto deleted = context_.database->read([&](db::Tx& tx) { return lfs_deletions(tx, repo.id); });
  for (const auto& [sha256, pointer] : pointers) {
    if (!objects.contains(sha256)) {
      if (deleted.contains(sha256)) continue;
      problems.push_back(name + ": the large file " + sha256 + " is missing");
      continue;
    }
    try {
      uint64_t size_bytes = context_.large_files->open_large(repo.id, sha256)->size_bytes();
      if (size_bytes != pointer.size_bytes) {
        problems.push_back(fmt::format("{}: the large file {} has {} bytes, its pointer says {}",
                                       name, sha256, size_bytes, pointer.size_bytes));
      }
    } catch (const Error& error) {
      problems.push_back(name + ": the large file " + sha256 +
                         " cannot be read: " + error.message());
    }
  }

  auto known = context_.database->read([&](db::Tx& tx) { return all_pointer_rows(tx, repo.id); });
  for (const git::NewBlob& blob : blobs) {
    auto row = known.find(blob.oid.hex());
    if (row == known.end() || row->second.sha256 != blob.pointer->sha256 ||
        row->second.size_bytes != blob.pointer->size_bytes ||
        row->second.pointer_bytes != blob.blob_bytes) {
      problems.push_back(name + ": the index of pointers is wrong about " + blob.path +
                         "; verify --rebuild makes it again");
    }
  }
  // What a task has still to count is no fact yet.
  if (!is_any_waiting(*context_.tasks, "hub.count_storage")) {
    bool measured = !is_any_waiting(*context_.tasks, "repo.content");
    auto why = Ledger(context_).why_wrong(repo, measured ? &git : nullptr);
    if (why) problems.push_back(name + ": " + *why + "; verify --rebuild makes it again");
  }
  if (!git.head_is_main()) {
    problems.push_back(name +
                       ": its HEAD does not name refs/heads/main, so that clones check out "
                       "nothing; verify --rebuild mends it");
  }
  verify_refs(repo, git, name, problems);
  verify_index(repo, git, name, problems);
}

void Repositories::verify_index(const Repo& repo, const git::GitRepo& git, const std::string& name,
                                std::vector<std::string>& problems) {
  constexpr int kReadingsMax = 100;
  auto main_of = [&] {
    auto main = git.ref_commit("refs/heads/main");
    return main ? main->hex() : std::string();
  };
  for (int i = 0; i < kReadingsMax; ++i) {
    std::string main_oid = main_of();
    std::string indexed;
    std::optional<Repo> now;
    bool pending = false;
    context_.database->read([&](db::Tx& tx) {
      now = find_repo_row(tx, repo.id);
      indexed = PathIndex::indexed_commit(tx, repo.id);
      pending = !pending_rows(tx, repo.id).empty();
    });
    if (!now) return;  // Removed meanwhile.
    // A change that is under way, or that a crash cut short: what it left is completed, as at a
    // start, and no damage.
    if (pending) receive_.catch_up(repo);
    if (pending || main_oid != main_of()) continue;
    if (main_oid.empty()) problems.push_back(name + ": it has no branch main");
    if (now->head_oid != main_oid) {
      problems.push_back(name + ": its index stands at commit '" + now->head_oid + "', main at '" +
                         main_oid + "'");
    } else if (indexed != main_oid) {
      problems.push_back(name + ": its path index stands at commit '" + indexed + "', main at '" +
                         main_oid + "'");
    } else if (!main_oid.empty()) {
      git::GitRepo reading = open_git(repo);
      auto why = path_index_.why_wrong(repo.id, reading, main_oid);
      if (why) problems.push_back(name + ": " + *why + "; verify --rebuild makes it again");
      verify_facts(*now, reading, name, problems);
    }
    return;
  }
}

void Repositories::verify_refs(const Repo& repo, git::GitRepo& git, const std::string& name,
                               std::vector<std::string>& problems) {
  struct Rows {
    std::map<std::string, RefHead> heads;
    std::map<std::string, std::string> tags;
    bool pending = false;
    bool tags_known = false;
    bool operator==(const Rows&) const = default;
  };
  auto read_rows = [&] {
    return context_.database->read([&](db::Tx& tx) {
      return Rows{ref_heads(tx, repo.id), ref_tags(tx, repo.id), !pending_rows(tx, repo.id).empty(),
                  tags_known(tx)};
    });
  };
  constexpr int kReadingsMax = 20;
  for (int i = 0; i < kReadingsMax; ++i) {
    Rows rows = read_rows();
    git::RefList refs = git.refs();
    auto heads = heads_of_git(git, refs);
    std::map<std::string, std::string> tags;
    for (const git::Ref& tag : refs.tags) tags[tag.full_name] = tag.target.hex();
    // A ref moves between the row that announces it and the one that notes it: seen from both sides
    // alike, with nothing announced, the rows are those of the refs.
    if (rows.pending || !(read_rows() == rows)) continue;
    auto tell = [&](const std::string& what) {
      problems.push_back(name + ": " + what + "; verify --rebuild makes it again");
    };
    for (const auto& [ref, head] : heads) {
      auto row = rows.heads.find(ref);
      if (row == rows.heads.end()) {
        tell("the index of refs lacks " + ref);
      } else if (row->second != head) {
        tell(fmt::format("the index of refs has {} at {} with {} commits, git at {} with {}", ref,
                         row->second.commit_oid, row->second.commit_count, head.commit_oid,
                         head.commit_count));
      }
    }
    for (const auto& [ref, head] : rows.heads) {
      if (!heads.contains(ref)) tell("the index of refs has " + ref + ", which git does not have");
    }
    for (const auto& [ref, target] : tags) {
      auto row = rows.tags.find(ref);
      if (row == rows.tags.end() ? rows.tags_known : row->second != target) {
        tell("the index of refs has " + ref + " wrong");
      }
    }
    for (const auto& [ref, target] : rows.tags) {
      if (!tags.contains(ref)) tell("the index of refs has " + ref + ", which git does not have");
    }
    return;
  }
}

void Repositories::verify_facts(const Repo& repo, git::GitRepo& git, const std::string& name,
                                std::vector<std::string>& problems) {
  auto head = git::Oid::parse(repo.head_oid);
  RepoFacts facts = facts_of_commit(git, repo.type, *head);
  auto why = context_.database->read([&](db::Tx& tx) { return why_facts_wrong(tx, repo, facts); });
  if (!why && !is_any_waiting(*context_.tasks, "repo.content")) {
    auto headers = headers_of(repo, git);
    std::string wanted = headers ? headers_text(*headers) : "{}";
    std::string stored =
        context_.database->read([&](db::Tx& tx) { return stored_headers_text(tx, repo.id); });
    if (stored != wanted) why = "the headers of its weights are not as they were noted";
  }
  if (why) problems.push_back(name + ": " + *why + "; verify --rebuild makes it again");
}

}  // namespace hearth::hub
