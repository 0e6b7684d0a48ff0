#pragma once
// The life of a repository: made, found by its name (also a former one), changed, moved, removed.
//
// Its truth is a bare git repository under DATA/git/<ab>/<repo id>.git, whose config also tells id,
// type, name and owner; the row is what git cannot hold, and an index of it. Order of each change:
// creating makes the folder first and the row last, removing the row first and the folder by a
// task, so that a crash leaves a folder without a row (verify reports it), never the reverse.
// Deleting only marks the row (repo_deletion.cc); removing for good comes a week later.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "hub/audit.h"
#include "hub/caller.h"
#include "hub/context.h"
#include "hub/path_index.h"
#include "hub/repo.h"

namespace hearth::db {
class Tx;
}
namespace hearth::git {
class GitRepo;
}

namespace hearth::hub {

class Receive;
class TaskRunner;
struct ModelHeaders;

/// A file that a new repository begins with.
struct InitialFile {
  std::string path;
  std::string content;
};

struct NewRepo {
  RepoType type = RepoType::kModel;
  RepoId repo_id;
  std::optional<bool> is_private = {};  // Nothing: as its namespace has it.
  std::string sdk = {};                 // Spaces: gradio, streamlit, docker, static
  std::string license = {};             // Becomes the front matter of a README.md.
  std::vector<InitialFile> files = {};  // In place of the defaults of the same path.
};

/// A copy of another repository under a name of its own.
struct DuplicateRepo {
  RepoId repo_id;
  std::optional<bool> is_private = {};  // Nothing: as the source.
};

struct FoundRepo {
  Repo repo;
  bool moved = false;  // Found by a name that it had before.
};

/// What is to change; absent values stay.
struct RepoSettings {
  std::optional<bool> is_private = {};
  std::optional<Gated> gated = {};
  std::optional<bool> discussions_disabled = {};
};

/// The name that a create or move wanted is taken. `existing` is whose it is: the answer 409 holds
/// its `url` (hub-api trap 12).
class RepoExists : public Error {
 public:
  RepoExists(std::string message, Repo existing)
      : Error(ErrorKind::kConflict, std::move(message)), existing_(std::move(existing)) {}
  const Repo& existing() const { return existing_; }

 private:
  Repo existing_;
};

/// What `hearth verify` finds in repositories: one sentence each.
struct RepoProblems {
  uint64_t checked_count = 0;
  std::vector<std::string> problems = {};
};

/// Safe from any thread and process.
class Repositories {
 public:
  /// `receive` makes initial commits.
  Repositories(HubContext context, Receive& receive);

  /// Makes the repository with one commit "initial commit" on main.
  /// Throws what Access::require_namespace_write does; RepoExists ("You already created this model
  /// repo"); kNotFound (no such namespace); kUnprocessable and kTooLarge for initial files.
  Repo create(const Caller& caller, const NewRepo& wanted);

  /// Makes a copy: branches and tags with all of their history, and the large files that these
  /// name, which cost no room again. Discussions, pull requests and likes stay with the source. A
  /// copy is gated as its source is. The route has checked that the caller may read the files of
  /// `source`. Throws what create does; kInvalid for a source without main.
  /// Source: huggingface_hub 2.4.0 hf_api.py duplicate_repo ("preserves full git history and LFS
  /// objects").
  Repo duplicate(const Caller& caller, const Repo& source, const DuplicateRepo& wanted);

  /// By its name, in any case, or by a former name of it that nobody has taken over.
  std::optional<FoundRepo> find(RepoType type, const RepoId& repo_id);
  std::optional<Repo> find_by_id(std::string_view id);
  /// Every repository by id, from `after_id` on: for the command line and for verify.
  std::vector<Repo> list(std::string_view after_id = {}, int64_t limit = 1000);
  /// Those of one namespace (by its name), by type and name.
  std::vector<Repo> list_of_namespace(std::string_view namespace_name);

  /// Deletes it: absent for everyone at once, its name is free. For HubContext::undelete_ms it can
  /// be brought back; after that the garbage collection removes it for good.
  /// The route has checked kAdminister; so for move and update.
  void remove(const Actor& by, const Repo& repo);
  /// Removes it with everything the hub knows about it, for good; also one that was deleted. Its
  /// folder goes by a task, its large files by the garbage collection.
  void remove_for_good(const Actor& by, const Repo& repo);

  /// Deleted repositories that can be brought back, the latest first.
  std::vector<DeletedRepo> deleted();
  std::optional<DeletedRepo> find_deleted(std::string_view id);
  /// Brings it back as it was, with its discussions and downloads; under `name` if that is given.
  /// Throws kNotFound (it was not deleted, or too long ago); RepoExists (somebody has its name by
  /// now), kNotFound (no such namespace).
  Repo undelete(const Actor& by, const Repo& repo, const std::optional<RepoId>& name = {});
  /// Those whose time to be brought back is over.
  std::vector<DeletedRepo> overdue();
  /// Removes those for good; returns them.
  std::vector<DeletedRepo> remove_overdue(const Actor& by);

  /// Gives it another name; the old one leads to it from then on (307). Throws what
  /// Access::require_namespace_write says of the new namespace; RepoExists ("A model repository
  /// called X already exists").
  Repo move(const Caller& caller, const Repo& repo, const RepoId& to);

  Repo update(const Actor& by, const Repo& repo, const RepoSettings& settings);

  /// DATA/git/<ab>/<repo id>.git
  fs::path git_dir(const Repo& repo) const;
  /// Include git/git.h to use it. Throws Error{kCorrupt} when the folder is missing.
  git::GitRepo open_git(const Repo& repo) const;

  /// Sees to what a crash left: pending ref updates are completed or dropped, indexes that lag are
  /// brought up. Called at start, before the first request. Cost: one row read a repository that
  /// has something pending.
  void catch_up();

  /// Compares each repository with itself: git fsck, every pointer's object present and readable in
  /// size, the index row against main, folders without a row. What a crash cut short is completed
  /// first; nothing else is changed.
  RepoProblems verify();

  /// Reads the headers of a model's weights and notes what they say.
  void read_headers(const Repo& repo);

  /// "repo.remove_folder", "repo.write_config", "repo.index", "repo.content" and
  /// "hub.count_storage".
  void register_tasks(TaskRunner& runner);

 private:
  /// How a new repository comes by its content.
  struct Making {
    std::string_view kind;                          // As in RefUpdateRow
    std::function<void(const fs::path& dir)> fill;  // Objects and refs; main among them
    std::function<void(db::Tx& tx)> record = {};    // Joins the transaction that adds the row
  };
  /// Checks right and name; the row that the new repository shall have.
  Repo begin_creation(const Caller& caller, RepoType type, const RepoId& repo_id,
                      std::optional<bool> is_private);
  Repo make(const Caller& caller, Repo repo, const Making& making);
  /// False: it is not there, or is kept until later than that time.
  bool remove_rows(const Actor& by, const Repo& repo, std::optional<int64_t> kept_until_before_ms);
  /// Whether there is a row of that id, of a deleted one too.
  bool is_known(std::string_view id);
  /// What a change of content leaves to do: packing, measuring, headers of weight files.
  void after_change(const Repo& repo);
  /// Nothing for what is no model, or has no weights.
  std::optional<ModelHeaders> headers_of(const Repo& repo, const git::GitRepo& git);
  /// The name and owner that the database has, into the config of its folder.
  void write_config(const Repo& repo);
  /// Runs the work of a task; an error counts for nothing when the repository has gone meanwhile.
  void unless_gone(const Repo& repo, const std::function<void()>& work);
  /// What a crash left of repositories that were being made. Only while no other server works here.
  void drop_unfinished_creations();
  /// verify_one until it finds nothing, or the same again and again.
  void verify_settled(const Repo& repo, std::vector<std::string>& problems);
  void verify_deleted(const Repo& repo, std::vector<std::string>& problems);
  void verify_one(const Repo& repo, const std::string& name, std::vector<std::string>& problems);
  void verify_index(const Repo& repo, const git::GitRepo& git, const std::string& name,
                    std::vector<std::string>& problems);
  void verify_refs(const Repo& repo, git::GitRepo& git, const std::string& name,
                   std::vector<std::string>& problems);
  void verify_facts(const Repo& repo, git::GitRepo& git, const std::string& name,
                    std::vector<std::string>& problems);

  HubContext context_;
  Receive& receive_;
  PathIndex path_index_;
};

}  // namespace hearth::hub
