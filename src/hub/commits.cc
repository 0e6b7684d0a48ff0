// A commit of the API, in two steps. While its lines come in, contents are written as blobs into a
// builder's quarantine. At the end, under the repository's lock, the builder starts on the present
// head and gives them their paths; when another process moves the head meanwhile, that step is done
// again on the new one, without the bodies.

#include "hub/commits.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/text.h"
#include "cards/cards.h"
#include "db/db.h"
#include "git/git.h"
#include "hub/access.h"
#include "hub/authorship.h"
#include "hub/community_store.h"
#include "hub/git_dir.h"
#include "hub/ledger.h"
#include "hub/lfs_files_store.h"
#include "hub/limits.h"
#include "hub/plain_text.h"
#include "hub/receive.h"
#include "hub/repositories.h"
#include "xet/xet.h"

namespace hearth::hub {
namespace {

constexpr int kAttemptsMax = 10;
constexpr std::string_view kUpdated =
    "The branch was updated since you opened this page. Please refresh and try again.";

[[noreturn]] void throw_no_revision(std::string_view revision) {
  throw Error(ErrorKind::kNotFound, "Invalid rev id: " + std::string(revision),
              {.code = "RevisionNotFound"});
}

[[noreturn]] void throw_missing(const git::RepoPath& path) {
  throw Error(ErrorKind::kNotFound, "A file with this name doesn't exist: " + path.text(),
              {.code = "EntryNotFound"});
}

struct Operation {
  enum class Kind { kPut, kPointer, kDeleteFile, kDeleteFolder, kCopy };
  Kind kind;
  git::RepoPath path;
  git::Oid staged = {};  // kPut: the blob, written when it came
  git::LfsPointer pointer = {};
  std::optional<git::RepoPath> from = {};
  bool is_executable = false;  // kPut, kPointer: as what it is a copy of
};

std::string message_of(const CommitHeader& header) {
  std::string message = header.summary + "\n";
  if (!header.description.empty()) message += "\n" + header.description + "\n";
  return message;
}

/// Puts the operations, in their order, on the builder's tree.
void play(git::CommitBuilder& builder, const std::vector<Operation>& operations,
          std::optional<git::Oid> parent) {
  for (const Operation& operation : operations) {
    switch (operation.kind) {
      case Operation::Kind::kPut:
        builder.put_staged(operation.path, operation.staged);
        break;
      case Operation::Kind::kPointer:
        builder.put_pointer(operation.path, operation.pointer);
        break;
      case Operation::Kind::kDeleteFile:
        if (!builder.entry(operation.path)) throw_missing(operation.path);
        builder.remove(operation.path);
        break;
      case Operation::Kind::kDeleteFolder:
        if (!builder.entry(operation.path)) throw_missing(operation.path);
        builder.remove_folder(operation.path);
        break;
      case Operation::Kind::kCopy:
        builder.copy(*operation.from, operation.path, parent);
        break;
    }
    if (operation.is_executable) builder.make_executable(operation.path);
  }
}

}  // namespace

struct CommitDraft::State {
  State(Commits& owner, const Caller& by, const Repo& in, CommitHeader its_header)
      : commits(owner),
        actor(by.actor()),
        repo(in),
        header(std::move(its_header)),
        dir(git_dir(owner.context_, in.id)) {}

  Commits& commits;
  Actor actor;
  Repo repo;
  CommitHeader header;
  fs::path dir;
  std::string ref;  // The branch or refs/pr/N that it was opened on
  bool create_pr = false;
  std::vector<Operation> operations;
  std::optional<git::CommitBuilder> builder;  // Holds the files as they come.
  // What copies come from, and how much they have brought.
  std::map<std::string, Revision> sources;
  std::optional<git::GitRepo> source_git;
  uint64_t copied_bytes = 0;

  void add(Operation operation) {
    if (operations.size() >= kOperationsMax) {
      throw Error(ErrorKind::kTooLarge, "A commit holds at most 100,000 operations.");
    }
    operations.push_back(std::move(operation));
  }
  std::optional<CommitResult> attempt(const RepoLock& held);
  /// The same pointers as before, to files that were deleted and have come again. A pull request
  /// brings none back: anyone may open one.
  void note_named_anew() {
    std::vector<std::string> sha256s;
    for (const Operation& operation : operations) {
      if (operation.kind == Operation::Kind::kPointer) sha256s.push_back(operation.pointer.sha256);
    }
    if (sha256s.empty() || create_pr || ref.starts_with(git::kPullRequestPrefix)) return;
    commits.context_.database->write([&](db::Tx& tx) {
      StorageChange storage(tx, repo.id, sha256s);
      delete_lfs_deletions(tx, repo.id, sha256s);
      storage.record(0, &commits.context_.quotas);
    });
  }
};

CommitDraft::CommitDraft(std::unique_ptr<State> state) : state_(std::move(state)) {}
CommitDraft::CommitDraft(CommitDraft&&) noexcept = default;
CommitDraft::~CommitDraft() = default;

void CommitDraft::put(std::string_view path, std::string_view content) {
  git::RepoPath checked = git::RepoPath::require(path);
  if (content.size() > kRegularBytesMax) {
    throw Error(ErrorKind::kTooLarge,
                "The file " + checked.text() + " is larger than 10 MiB: upload it as an LFS file.");
  }
  if (auto pointer = git::LfsPointer::parse(content)) {
    // The text of a pointer stands for its object, however it is sent.
    put_large(path, pointer->sha256, pointer->size_bytes);
    return;
  }
  if (checked.text() == "README.md") {
    auto kind = cards::parse_repo_kind(to_string(state_->repo.type));
    auto errors = cards::validate(content, *kind).errors;
    if (!errors.empty()) {
      throw Error(ErrorKind::kInvalid, "Invalid metadata in README.md: " + join(errors, "; "));
    }
  }
  if (!state_->builder) state_->builder.emplace(state_->dir, std::nullopt);
  git::Oid blob = state_->builder->stage_blob(as_bytes(content));
  state_->add({.kind = Operation::Kind::kPut, .path = checked, .staged = blob});
}

void CommitDraft::put_large(std::string_view path, std::string_view sha256,
                            std::optional<uint64_t> size_bytes) {
  git::RepoPath checked = git::RepoPath::require(path);
  if (!is_sha256_hex(sha256)) {
    throw Error(ErrorKind::kInvalid, "The oid of " + checked.text() + " is no SHA-256.");
  }
  std::string oid = to_lower(sha256);
  auto object = state_->commits.context_.large_files->find(state_->repo.id, oid);
  if (!object) {
    throw Error(ErrorKind::kInvalid, "The LFS object " + oid + " of " + checked.text() +
                                         " was not uploaded to this repository: upload it first.");
  }
  if (size_bytes && *size_bytes != object->size_bytes) {
    throw Error(ErrorKind::kInvalid,
                fmt::format("The LFS object {} of {} has {} bytes, not {}.", oid, checked.text(),
                            object->size_bytes, *size_bytes));
  }
  state_->add({.kind = Operation::Kind::kPointer,
               .path = checked,
               .pointer = {.sha256 = oid, .size_bytes = object->size_bytes}});
}

void CommitDraft::delete_file(std::string_view path) {
  state_->add({.kind = Operation::Kind::kDeleteFile,
               .path = git::RepoPath::require(path, git::TrailingSlash::kDrop)});
}

void CommitDraft::delete_folder(std::string_view path) {
  state_->add({.kind = Operation::Kind::kDeleteFolder,
               .path = git::RepoPath::require(path, git::TrailingSlash::kDrop)});
}

void CommitDraft::copy(std::string_view from_path, std::string_view to_path,
                       std::string_view from_revision) {
  git::RepoPath from = git::RepoPath::require(from_path);
  git::RepoPath to = git::RepoPath::require(to_path);
  if (from_revision.empty()) {
    state_->add({.kind = Operation::Kind::kCopy, .path = to, .from = from});
    return;
  }
  auto [known, is_new] = state_->sources.try_emplace(std::string(from_revision));
  if (is_new) known->second = state_->commits.contents_.resolve(state_->repo, from_revision);
  const Revision& source = known->second;
  // Its own branch is the one it goes on: what is there when the commit is made.
  if (source.ref == state_->ref) return copy(from_path, to_path);
  if (!state_->source_git) state_->source_git = git::GitRepo::open(state_->dir);
  const git::GitRepo& git = *state_->source_git;
  auto entry = git.entry(*git::Oid::parse(source.commit_oid), from.text());
  if (!entry) throw_missing(from);
  if (entry->type != git::EntryType::kFile) {
    throw Error(ErrorKind::kUnprocessable,
                "From another revision single files are copied, and " + from.text() + " is none.");
  }
  state_->copied_bytes += git.blob_size_bytes(entry->oid);
  if (state_->copied_bytes > kCopiedBytesMax) {
    throw Error(ErrorKind::kTooLarge,
                "One commit copies at most 256 MiB of plain files from other revisions. Make "
                "several commits.");
  }
  // As if the file were sent anew: a large one must be there still.
  put(to_path, git.read_blob(entry->oid));
  state_->operations.back().is_executable = entry->mode == git::kExecutableMode;
}

CommitResult CommitDraft::commit() {
  RepoLock held = state_->commits.receive_.lock(state_->repo);
  for (int i = 0; i < kAttemptsMax; ++i) {
    if (auto result = state_->attempt(held)) return *result;
    if (!state_->header.parent_commit.empty()) break;
  }
  throw Error(ErrorKind::kPreconditionFailed, std::string(kUpdated));
}

/// Nothing: the head moved in the middle of it.
std::optional<CommitResult> CommitDraft::State::attempt(const RepoLock& held) {
  git::GitRepo git = git::GitRepo::open(dir);
  auto head = git.ref_commit(ref);
  if (!head) throw_no_revision(ref);
  if (!header.parent_commit.empty() && !head->hex().starts_with(to_lower(header.parent_commit))) {
    throw Error(ErrorKind::kPreconditionFailed, std::string(kUpdated));
  }
  if (builder) {
    builder->restart(head);
  } else {
    builder.emplace(dir, head);
  }
  play(*builder, operations, head);
  git::Signature author = signature_of(actor, commits.context_.clock->now_ms());
  git::Built built = builder->build({.author = author,
                                     .committer = author,
                                     .message = message_of(header),
                                     .parents = {*head},
                                     .allow_empty = create_pr});
  // A client that repeats a commit whose answer it did not get must not fail (hub-api 4.4).
  if (!built.commit) {
    note_named_anew();
    return CommitResult{head->hex(), std::nullopt};
  }

  Change change;
  change.kind = ChangeKind::kCommit;
  change.blobs = std::move(built.blobs);
  change.ref.new_oid = built.commit->hex();
  if (create_pr) {
    change.open = OpenPullRequest{.title = header.summary,
                                  .description = header.description,
                                  .base_ref = ref,
                                  .base_oid = head->hex(),
                                  .is_draft = false};
  } else {
    change.ref.ref = ref;
    change.ref.old_oid = head->hex();
  }
  try {
    auto num =
        commits.receive_.apply(held, actor, repo, git, &builder->quarantine(), std::move(change));
    return CommitResult{built.commit->hex(), num};
  } catch (const Error& error) {
    if (error.code() == "RefMoved") return std::nullopt;
    throw;
  }
}

Commits::Commits(HubContext context, Repositories& repositories, Receive& receive,
                 Contents& contents, Community& community)
    : context_(std::move(context)),
      repositories_(repositories),
      receive_(receive),
      contents_(contents),
      community_(community) {}

CommitDraft Commits::begin(const Caller& caller, const Repo& repo, const Target& target,
                           CommitHeader header) {
  if (trim(header.summary).empty()) {
    throw Error(ErrorKind::kInvalid, "A commit needs a summary.");
  }
  require_plain_text(header.summary, "The summary");
  require_plain_text(header.description, "The description");
  if (header.parent_commit.size() > 40 ||
      (!header.parent_commit.empty() &&
       (header.parent_commit.size() < 5 ||
        header.parent_commit.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos))) {
    throw Error(ErrorKind::kInvalid, "parentCommit is 5 to 40 hex digits of a commit.");
  }
  context_.access->require(&caller.identity, repo,
                           target.create_pr ? RepoAction::kDiscuss : RepoAction::kSee);
  if (target.create_pr && repo.discussions_disabled) {
    throw Error(ErrorKind::kForbidden, "Pull requests are disabled for this repository.");
  }
  Revision base = contents_.resolve(repo, target.revision);
  bool is_branch = base.ref.starts_with(git::kBranchPrefix);
  auto pull_request = pull_request_of_ref(base.ref);
  if (!is_branch && (target.create_pr || !pull_request)) throw_no_revision(target.revision);
  if (!target.create_pr) {
    context_.access->require_signed_in(&caller.identity, true);
    if (!pull_request || !community_.may_push(caller.identity, repo, *pull_request)) {
      context_.access->require(&caller.identity, repo, RepoAction::kWrite);
    }
    if (pull_request) community_.require_open(repo, *pull_request);
  }
  auto state = std::make_unique<CommitDraft::State>(*this, caller, repo, std::move(header));
  state->ref = base.ref;
  state->create_pr = target.create_pr;
  return CommitDraft(std::move(state));
}

}  // namespace hearth::hub
