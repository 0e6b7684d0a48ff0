// New repositories: empty ones with their first commit, and copies of others. The folder is made
// first and the row last; a mark beside the folder tells the next start what was cut short.

#include "hub/repo_creation.h"

#include <memory>

#include <dirent.h>

#include "base/log.h"
#include "base/text.h"
#include "cards/cards.h"
#include "hub/access.h"
#include "hub/authorship.h"
#include "hub/git_dir.h"
#include "hub/index_work.h"
#include "hub/initial_files.h"
#include "hub/ledger.h"
#include "hub/ledger_store.h"
#include "hub/lfs_files_store.h"
#include "hub/receive_store.h"
#include "hub/repositories.h"
#include "hub/repository_store.h"
#include "xet/xet.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kMain = "refs/heads/main";

[[noreturn]] void throw_created(const Repo& existing) {
  throw RepoExists("You already created this " + std::string(to_string(existing.type)) + " repo",
                   existing);
}

void check_initial_file(RepoType type, const std::string& path, const std::string& content) {
  if (content.size() > git::kRegularBlobBytesMax) {
    throw Error(ErrorKind::kTooLarge, "The file " + path + " is larger than 10 MiB.");
  }
  if (git::LfsPointer::parse(content)) {
    throw Error(ErrorKind::kUnprocessable, "The file " + path +
                                               " is a pointer to a file that a new repository "
                                               "cannot have yet.");
  }
  if (path != "README.md") return;
  auto kind = cards::parse_repo_kind(to_string(type));
  auto errors = cards::validate(content, *kind).errors;
  if (!errors.empty()) throw Error(ErrorKind::kInvalid, "README.md: " + join(errors, "; "));
}

/// Stands beside the folder of a repository that is being made.
constexpr std::string_view kCreationMark = ".creating";

fs::path creation_mark(const fs::path& dir) {
  return dir.string() + std::string(kCreationMark);
}

/// The refs that a copy takes over: pull requests belong to the discussions of the source.
std::map<std::string, git::Oid> copied_refs(const git::GitRepo& git) {
  git::RefList refs = git.refs();
  std::map<std::string, git::Oid> copied;
  for (const auto* group : {&refs.branches, &refs.tags, &refs.converts}) {
    for (const git::Ref& ref : *group) copied.emplace(ref.full_name, ref.target);
  }
  if (!copied.contains(std::string(kMain))) {
    throw Error(ErrorKind::kInvalid, "A repository without a branch main cannot be duplicated.");
  }
  return copied;
}

/// Marks in a shelf of repositories, also those whose own writing was cut short (base/fs names such
/// files so). By readdir itself: each start looks at every name, and with 600,000 of them
/// fs::directory_iterator took two seconds of it.
std::vector<std::string> unfinished_in(const fs::path& shelf) {
  struct Close {
    void operator()(DIR* dir) const { ::closedir(dir); }
  };
  std::unique_ptr<DIR, Close> dir(::opendir(shelf.c_str()));
  std::vector<std::string> names;
  while (dir) {
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    std::string_view name = entry->d_name;
    if (name.starts_with(".tmp-") || name.ends_with(kCreationMark) ||
        name.find(git::kUnfinishedMark) != std::string_view::npos) {
      names.emplace_back(name);
    }
  }
  return names;
}

}  // namespace

git::RepoConfig config_of(const Repo& repo) {
  return {.repo_id = repo.id,
          .type = std::string(to_string(repo.type)),
          .name = repo.repo_id.full(),
          .owner = repo.namespace_id};
}

Namespace require_namespace(db::Tx& tx, const std::string& name) {
  auto found = Accounts::find_namespace(tx, name);
  if (!found) {
    throw Error(ErrorKind::kNotFound, "There is no user or organisation called \"" + name + "\".");
  }
  return *found;
}

Repo Repositories::create(const Caller& caller, const NewRepo& wanted) {
  Repo repo = begin_creation(caller, wanted.type, wanted.repo_id, wanted.is_private);
  repo.sdk = wanted.sdk;
  auto files = initial_files(wanted);
  for (const auto& [path, content] : files) check_initial_file(repo.type, path, content);
  auto fill = [&](const fs::path& dir) {
    git::CommitBuilder builder(dir, std::nullopt);
    for (const auto& [path, content] : files) {
      builder.put_blob(git::RepoPath::require(path), as_bytes(content));
    }
    git::Signature author = signature_of(caller.actor(), repo.created_ms);
    auto built = builder.build({.author = author,
                                .committer = author,
                                .message = "initial commit\n",
                                .parents = {},
                                .allow_empty = true});
    builder.quarantine().migrate();
    git::GitRepo::open(dir).create_ref(std::string(kMain), *built.commit);
  };
  return make(caller, repo, {.kind = "create", .fill = fill});
}

Repo Repositories::duplicate(const Caller& caller, const Repo& source,
                             const DuplicateRepo& wanted) {
  Repo repo = begin_creation(caller, source.type, wanted.repo_id,
                             wanted.is_private.value_or(source.is_private));
  repo.sdk = source.sdk;
  // Whoever passed the gate of the source must not open its files to everyone by copying them.
  repo.gated = source.gated;
  std::vector<PointerRow> pointers;
  auto fill = [&](const fs::path& dir) {
    git::GitRepo from = open_git(source);
    auto refs = copied_refs(from);
    std::vector<git::Oid> tips;
    for (const auto& [name, target] : refs) tips.push_back(target);
    git::GitRepo to = git::GitRepo::open(dir);
    // Only what these refs reach: what was squashed away in the source stays there.
    auto pack = from.write_pack(tips, {}, dir / "objects/pack");
    HEARTH_ASSERT(pack.has_value(), "a branch main holds a commit");
    to.adopt_pack(*pack);
    to.set_first_refs(refs);
    pointers = pointer_rows(git::GitRepo::open(dir).all_pointers());
  };
  auto record = [&](db::Tx& tx) {
    put_pointers(tx, repo.id, pointers);
    copy_lfs_deletions(tx, source.id, repo.id);
    // Of a large file that the source lacks the copy has the pointer alone, as the source does.
    for (const PointerRow& pointer : pointers) {
      xet::XetStore::copy_object(tx, source.id, repo.id, pointer.sha256, repo.created_ms);
    }
  };
  return make(caller, repo, {.kind = "duplicate", .fill = fill, .record = record});
}

Repo Repositories::begin_creation(const Caller& caller, RepoType type, const RepoId& repo_id,
                                  std::optional<bool> is_private) {
  context_.access->require_namespace_write(&caller.identity, repo_id.namespace_name);
  Repo repo;
  repo.id = new_object_id();
  repo.type = type;
  repo.repo_id = repo_id;
  repo.creator_id = caller.identity.user_id;
  repo.created_ms = context_.clock->now_ms();
  repo.updated_ms = repo.created_ms;
  context_.database->read([&](db::Tx& tx) {
    Namespace owner = require_namespace(tx, repo_id.namespace_name);
    repo.namespace_id = owner.id;
    repo.repo_id.namespace_name = owner.name;
    repo.is_private = is_private.value_or(owner.private_by_default);
    if (auto existing = find_repo_row(tx, type, repo_id)) throw_created(*existing);
  });
  return repo;
}

Repo Repositories::make(const Caller& caller, Repo repo, const Making& making) {
  fs::path dir = git_dir(repo);
  make_dirs(dir.parent_path());
  // Says to the next start that what it finds here without a row was never acknowledged.
  fs::path mark = creation_mark(dir);
  write_durably(mark, "");
  // A folder that a failing disk does not let go keeps its mark, for the next start.
  auto undo = [&] {
    remove_tree_durably(dir);
    if (!fs::exists(dir)) remove_tree(mark);
  };
  bool recording = false;
  try {
    git::GitRepo::init(dir, config_of(repo));
    making.fill(dir);
    git::GitRepo git = git::GitRepo::open(dir);
    RefUpdateRow row;
    row.id = new_object_id();
    row.repo_id = repo.id;
    row.ref = kMain;
    row.new_oid = git.ref_commit(kMain)->hex();
    row.kind = making.kind;
    row.actor = caller.actor();
    row.created_ms = repo.created_ms;
    uint64_t git_bytes = git.objects_bytes();
    // Nothing is known of any ref yet: all are noted.
    IndexWork work = work_out_index(path_index_, repo, {}, git, {row}, {.rebuild = true});
    recording = true;
    bool inserted = context_.database->write([&](db::Tx& tx) {
      if (!insert_repo_row(tx, repo)) return false;
      if (making.record) making.record(tx);
      recount_large_files(tx, repo.id);
      add_repo_storage(tx, repo.id, 0, static_cast<int64_t>(git_bytes));
      require_room(tx, context_.quotas, repo.namespace_id, repo_storage(tx, repo.id)->bytes());
      insert_pending(tx, row);
      return record_index_work(tx, context_, repo, {row}, work);
    });
    if (!inserted) {
      undo();
      auto existing = find(repo.type, repo.repo_id);
      if (existing) throw_created(existing->repo);
      throw Error(ErrorKind::kUnavailable, "Another request used this name. Please try again.");
    }
    repo.head_oid = row.new_oid;
  } catch (const Error& error) {
    // Refused by the ledger, in a transaction that was rolled back.
    if (!recording || error.code() == kQuotaExceeded) undo();
    throw;
  } catch (...) {
    // Once the row may be there, the folder stays: a connection can break after its commit. The
    // mark stays with it, for the next start to decide.
    if (!recording) undo();
    throw;
  }
  remove_tree(mark);
  return repo;
}

void Repositories::drop_unfinished_creations() {
  std::error_code error;
  for (const auto& shelf : fs::directory_iterator(context_.data_dir / "git", error)) {
    for (const std::string& name : unfinished_in(shelf.path())) {
      fs::path mark = shelf.path() / name;
      // Of a creation that failed, and whose way back failed too. With a mark beside it, it goes
      // with that.
      if (size_t end = name.find(git::kUnfinishedMark);
          end != std::string::npos &&
          fs::exists(creation_mark(shelf.path() / name.substr(0, end)))) {
        continue;
      }
      if (name.ends_with(kCreationMark)) {
        fs::path dir = fs::path(mark).replace_extension();
        if (!is_known(dir.stem().string())) {
          // The folder, and what git's own preparation may have left beside it.
          std::vector<fs::path> left;
          for (const auto& entry : fs::directory_iterator(shelf.path(), error)) {
            if (entry.path() != mark && entry.path().string().starts_with(dir.string())) {
              left.push_back(entry.path());
            }
          }
          for (const fs::path& path : left) remove_tree(path);
          fsync_dir(shelf.path());  // Before the mark goes.
          if (fs::exists(dir)) continue;
          log_info("the creation of repository {} was cut short and is undone",
                   dir.stem().string());
        }
      }
      remove_tree(mark);
    }
  }
}

}  // namespace hearth::hub
