// Branches and tags of the API.

#include "base/text.h"
#include "db/db.h"
#include "git/git.h"
#include "hub/access.h"
#include "hub/authorship.h"
#include "hub/commits.h"
#include "hub/plain_text.h"
#include "hub/receive.h"
#include "hub/repositories.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kMain = "refs/heads/main";

std::string branch_ref(std::string_view name) {
  if (git::why_bad_branch_name(name)) {
    throw Error(ErrorKind::kInvalid, "Invalid reference for a branch: " + std::string(name));
  }
  return std::string(git::kBranchPrefix) + std::string(name);
}

[[noreturn]] void throw_exists(const std::string& ref) {
  throw Error(ErrorKind::kConflict, "Reference " + ref + " already exists");
}

[[noreturn]] void throw_no_revision(std::string_view revision) {
  throw Error(ErrorKind::kNotFound, "Invalid rev id: " + std::string(revision),
              {.code = "RevisionNotFound"});
}

/// What stands at a ref, as a change names it: empty when there is none.
std::string value_of(const git::GitRepo& git, const std::string& ref) {
  auto oid = git.read_ref(ref);
  return oid ? oid->hex() : std::string();
}

/// One commit without parents that holds `tree`.
git::Built lone_commit(git::CommitBuilder& builder, const git::Oid& tree,
                       const git::Signature& author, std::string message) {
  builder.use_tree(tree);
  return builder.build({.author = author,
                        .committer = author,
                        .message = std::move(message),
                        .parents = {},
                        .allow_empty = true});
}

}  // namespace

void Commits::create_branch(const Caller& caller, const Repo& repo, std::string_view name,
                            const NewBranch& options) {
  std::string ref = branch_ref(name);
  RepoLock held = receive_.lock(repo);
  git::GitRepo git = repositories_.open_git(repo);
  Change change;
  change.kind = ChangeKind::kBranch;
  change.ref.ref = ref;
  change.ref.old_oid = value_of(git, ref);
  if (!change.ref.old_oid.empty() && !options.overwrite) throw_exists(ref);
  if (ref == kMain && !change.ref.old_oid.empty() && options.empty) {
    throw Error(ErrorKind::kInvalid, "The branch main cannot be replaced by an empty one.");
  }
  if (options.empty) {
    git::CommitBuilder builder(repositories_.git_dir(repo), std::nullopt);
    git::Signature author = signature_of(caller.actor(), context_.clock->now_ms());
    auto built = lone_commit(builder, git::empty_tree_oid(), author, "initial commit\n");
    change.ref.new_oid = built.commit->hex();
    receive_.apply(held, caller.actor(), repo, git, &builder.quarantine(), std::move(change));
    return;
  }
  std::string_view from = options.starting_point.empty() ? kMain : options.starting_point;
  change.ref.new_oid = git.require_revision(from).commit.hex();
  if (change.ref.new_oid == change.ref.old_oid) return;
  receive_.apply(held, caller.actor(), repo, git, nullptr, std::move(change));
}

void Commits::delete_branch(const Caller& caller, const Repo& repo, std::string_view name) {
  // A name that cannot be is one that is not there.
  if (git::why_bad_branch_name(name)) throw_no_revision(name);
  std::string ref = branch_ref(name);
  if (ref == kMain) throw Error(ErrorKind::kInvalid, "Cannot delete refs/heads/main");
  RepoLock held = receive_.lock(repo);
  git::GitRepo git = repositories_.open_git(repo);
  Change change;
  change.kind = ChangeKind::kBranch;
  change.ref.ref = ref;
  change.ref.old_oid = value_of(git, ref);
  if (change.ref.old_oid.empty()) throw_no_revision(name);
  receive_.apply(held, caller.actor(), repo, git, nullptr, std::move(change));
}

void Commits::create_tag(const Caller& caller, const Repo& repo, std::string_view name,
                         std::string_view revision, std::string_view message) {
  require_plain_text(message, "The message");
  RepoLock held = receive_.lock(repo);
  git::GitRepo git = repositories_.open_git(repo);
  // The revision first: clients expect to be told of it (huggingface_hub 2.4.0 test_hf_api.py,
  // test_create_tag_on_missing_revision).
  git::Oid target = git.require_revision(revision).commit;
  if (auto why = git::why_bad_tag_name(name)) {
    throw Error(ErrorKind::kInvalid, "Invalid reference for a tag: " + *why);
  }
  std::string ref = std::string(git::kTagPrefix) + std::string(name);
  Change change;
  change.kind = ChangeKind::kTag;
  change.ref.ref = ref;
  change.ref.old_oid = value_of(git, ref);
  if (!change.ref.old_oid.empty()) throw_exists(ref);
  if (!trim(message).empty()) {
    target = git.write_tag_object(std::string(name), target,
                                  signature_of(caller.actor(), context_.clock->now_ms()), message);
  }
  change.ref.new_oid = target.hex();
  receive_.apply(held, caller.actor(), repo, git, nullptr, std::move(change));
}

void Commits::delete_tag(const Caller& caller, const Repo& repo, std::string_view name) {
  std::string ref = std::string(git::kTagPrefix) + std::string(name);
  if (git::why_bad_tag_name(name)) throw_no_revision(name);
  RepoLock held = receive_.lock(repo);
  git::GitRepo git = repositories_.open_git(repo);
  Change change;
  change.kind = ChangeKind::kTag;
  change.ref.ref = ref;
  change.ref.old_oid = value_of(git, ref);
  if (change.ref.old_oid.empty()) throw_no_revision(name);
  receive_.apply(held, caller.actor(), repo, git, nullptr, std::move(change));
}

std::string Commits::super_squash(const Caller& caller, const Repo& repo, std::string_view branch,
                                  std::string_view message) {
  RepoLock held = receive_.lock(repo);
  git::GitRepo git = repositories_.open_git(repo);
  git::Revision revision = git.require_revision(branch);
  if (!revision.ref.starts_with(git::kBranchPrefix) &&
      !revision.ref.starts_with(git::kPullRequestPrefix)) {
    // huggingface_hub 2.4.0, super_squash_history: "You cannot squash history on tags", with 400.
    throw Error(ErrorKind::kInvalid, "Invalid reference for a branch: " + std::string(branch));
  }
  require_plain_text(message, "The message");
  std::string title(trim(message));
  if (title.empty()) title = "Super-squash branch '" + std::string(branch) + "' using the API";
  git::CommitBuilder builder(repositories_.git_dir(repo), std::nullopt);
  git::Signature author = signature_of(caller.actor(), context_.clock->now_ms());
  auto built = lone_commit(builder, git.tree_of(revision.commit), author, title + "\n");
  Change change;
  change.kind = ChangeKind::kBranch;
  change.ref.ref = revision.ref;
  change.ref.old_oid = revision.commit.hex();
  change.ref.new_oid = built.commit->hex();
  receive_.apply(held, caller.actor(), repo, git, &builder.quarantine(), std::move(change));
  return built.commit->hex();
}

}  // namespace hearth::hub
