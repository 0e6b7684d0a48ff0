// The decisions about a git push.

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "base/text.h"
#include "cards/cards.h"
#include "db/db.h"
#include "hub/access.h"
#include "hub/community_store.h"
#include "hub/git_dir.h"
#include "hub/index_work.h"
#include "hub/ledger.h"
#include "hub/lfs_files_store.h"
#include "hub/receive.h"
#include "hub/receive_store.h"
#include "hub/repository_store.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kMain = "refs/heads/main";
constexpr uint64_t kCardBytesMax = 1u << 20;

std::string hex_or_empty(const git::Oid& oid) {
  return oid.is_zero() ? std::string() : oid.hex();
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// What is wrong with the card that a push brings to a branch.
std::vector<std::string> card_errors(const git::GitRepo& git, RepoType type,
                                     const git::PushCommand& command) {
  if (command.is_delete() || !command.ref.starts_with(git::kBranchPrefix)) return {};
  auto now = git.entry(command.new_oid, "README.md");
  if (!now || now->type != git::EntryType::kFile || now->pointer) return {};
  if (!command.is_create() && git.has_object(command.old_oid)) {
    auto before = git.entry(command.old_oid, "README.md");
    if (before && before->oid == now->oid) return {};
  }
  if (now->blob_bytes > kCardBytesMax) return {};
  auto kind = cards::parse_repo_kind(to_string(type));
  return cards::validate(git.read_blob(now->oid, kCardBytesMax), *kind).errors;
}

}  // namespace

std::optional<int64_t> pull_request_of_ref(std::string_view ref) {
  if (!ref.starts_with(git::kPullRequestPrefix)) return std::nullopt;
  std::string_view digits = ref.substr(git::kPullRequestPrefix.size());
  int64_t num = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), num);
  if (error != std::errc() || end != digits.data() + digits.size() || num < 1) return std::nullopt;
  return num;
}

std::string Receive::why_refused(const Caller& caller, const Repo& repo, git::GitRepo& git,
                                 const git::PushCommand& command) {
  if (auto why = git::why_bad_ref_name(command.ref)) return *why;
  bool may_write = context_.access->may(&caller.identity, repo, RepoAction::kWrite);
  if (command.ref.starts_with(git::kConvertPrefix)) return "only the hub itself writes there";
  if (command.ref.starts_with(git::kPullRequestPrefix)) {
    auto num = pull_request_of_ref(command.ref);
    if (!num) return "a pull request is named by its number";
    if (command.is_delete()) return "a pull request cannot be deleted; close it instead";
    auto row =
        context_.database->read([&](db::Tx& tx) { return find_discussion(tx, repo.id, *num); });
    if (!row || !row->is_pull_request) {
      return "there is no such pull request; open it at its page or through the API first";
    }
    if (!may_write && row->author_id != caller.identity.user_id) {
      return "only its author and those who may write here push to a pull request";
    }
    if (row->status == "merged" || row->status == "closed") {
      return "this pull request is " + row->status;
    }
  } else if (!may_write) {
    return "you may not write to this repository";
  }
  if (command.is_delete()) {
    if (command.ref == kMain) return "Cannot delete refs/heads/main";
    return {};
  }
  if (!command.ref.starts_with(git::kTagPrefix)) {
    try {
      git.commit_info(command.new_oid);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kNotFound) throw;
      return "a branch must lead to a commit";
    }
  }
  return {};
}

std::string Receive::push(const Caller& caller, const Repo& repo, git::ReceivePack& pack) {
  if (pack.is_probe()) return {};
  std::vector<git::PushResult> results;
  for (const git::PushCommand& command : pack.request().commands) {
    results.push_back({command.ref, {}});
  }
  std::vector<std::string> messages;
  auto refuse_all = [&](const std::string& short_reason, const std::string& message) {
    for (git::PushResult& result : results) {
      if (result.refusal.empty()) result.refusal = short_reason;
    }
    if (!message.empty()) messages.push_back(message);
    return pack.report(results, messages);
  };
  if (!pack.unpack_error().empty()) return refuse_all("unpacker error", {});

  const auto& commands = pack.request().commands;
  RepoLock held = lock(repo);
  finish_pending(repo);
  git::GitRepo git = git::GitRepo::open_with(git_dir(context_, repo.id), pack.quarantine());
  std::vector<git::Oid> tips;
  for (size_t i = 0; i < commands.size(); ++i) {
    results[i].refusal = why_refused(caller, repo, git, commands[i]);
    if (results[i].refusal.empty() && !commands[i].is_delete()) tips.push_back(commands[i].new_oid);
  }

  git::NewObjects brought;
  try {
    if (!tips.empty()) brought = git.new_objects(tips);
    if (!brought.bad_paths.empty()) {
      return refuse_all("bad path", "Refused: " + join(brought.bad_paths, "; "));
    }
    check_content(repo, brought.blobs);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kInvalid && error.kind() != ErrorKind::kUnprocessable) throw;
    return refuse_all("pre-receive check declined", one_line(error.message()));
  }
  for (size_t i = 0; i < commands.size(); ++i) {
    if (!results[i].refusal.empty()) continue;
    auto errors = card_errors(git, repo.type, commands[i]);
    if (errors.empty()) continue;
    results[i].refusal = "README.md has invalid metadata";
    for (std::string& error : errors) messages.push_back(one_line("README.md: " + error));
  }

  bool all_refused =
      std::none_of(results.begin(), results.end(),
                   [](const git::PushResult& result) { return result.refusal.empty(); });
  // Nothing of the pack is kept then: its objects would belong to nothing.
  if (all_refused) return pack.report(results, messages);

  std::vector<RefUpdateRow> rows(commands.size());
  std::vector<PointerRow> pointers = pointer_rows(brought.blobs);
  for (size_t i = 0; i < commands.size(); ++i) {
    rows[i].id = new_object_id();
    rows[i].repo_id = repo.id;
    rows[i].ref = commands[i].ref;
    rows[i].old_oid = hex_or_empty(commands[i].old_oid);
    rows[i].new_oid = hex_or_empty(commands[i].new_oid);
    rows[i].kind = "push";
    rows[i].actor = caller.actor();
    rows[i].created_ms = context_.clock->now_ms();
  }
  uint64_t git_bytes = pack.quarantine().bytes();
  const QuotaDefaults* quotas = brought.blobs.empty() ? nullptr : &context_.quotas;
  bool by_writer =
      false;  // Who may move anything but pull requests: what is refused tells nothing.
  for (size_t i = 0; i < rows.size(); ++i) {
    by_writer = by_writer ||
                (results[i].refusal.empty() && !rows[i].ref.starts_with(git::kPullRequestPrefix));
  }
  auto record = [&](db::Tx& tx) {
    if (!lock_repo_row(tx, repo.id)) return false;
    StorageChange storage(tx, repo.id, sha256s_of(pointers));
    for (size_t i = 0; i < commands.size(); ++i) {
      if (results[i].refusal.empty()) insert_pending(tx, rows[i]);
    }
    require_objects(tx, repo, pointers);
    insert_pointers(tx, repo.id, pointers);
    if (by_writer) delete_lfs_deletions(tx, repo.id, sha256s_of(pointers));
    storage.record(git_bytes, quotas);
    return true;
  };
  try {
    bool there = context_.database->write(record);
    if (!there) return refuse_all("the repository was removed", {});
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kTooLarge) throw;
    return refuse_all("the storage is full",
                      error.message() + (by_writer ? " " + error.detail() : std::string()));
  }
  failpoint("receive.recorded");
  pack.quarantine().migrate();
  failpoint("receive.migrated");

  std::vector<RefUpdateRow> moved;
  std::vector<std::string> dropped;
  for (size_t i = 0; i < commands.size(); ++i) {
    if (!results[i].refusal.empty()) continue;
    const git::PushCommand& command = commands[i];
    git::RefUpdate update{.full_name = command.ref, .expected_old = {}, .new_target = {}};
    if (!command.is_create()) update.expected_old = command.old_oid;
    if (!command.is_delete()) update.new_target = command.new_oid;
    try {
      if (git.update_ref_cas(update) == git::RefUpdateResult::kDone) {
        moved.push_back(std::move(rows[i]));
        continue;
      }
      results[i].refusal = "fetch first: the reference was changed meanwhile";
    } catch (const Error& error) {
      log_warning("push to {} of {}: {}", command.ref, repo.id, error.what());
      results[i].refusal = one_line(error.message());
      // It may stand at its new place, and only the flush of its folder have failed.
      take_back_or_log(repo, git, {rows[i]});
      auto now = git.read_ref(command.ref);
      if ((now ? now->hex() : std::string()) == rows[i].new_oid) continue;  // Stays pending.
    }
    dropped.push_back(rows[i].id);
  }
  failpoint("receive.moved");
  if (!dropped.empty()) drop(repo, dropped);
  if (!moved.empty()) {
    git::GitRepo after = git::GitRepo::open(git_dir(context_, repo.id));
    settle_or_take_back(repo, after, moved);
  }
  return pack.report(results, messages);
}

}  // namespace hearth::hub
