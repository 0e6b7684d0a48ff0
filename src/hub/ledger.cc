#include "hub/ledger.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "db/db.h"
#include "git/git.h"
#include "hub/accounts.h"
#include "hub/audit.h"
#include "hub/ledger_store.h"
#include "hub/receive_store.h"
#include "hub/repository_store.h"

namespace hearth::hub {
namespace {

constexpr int64_t kUnlimited = -1;  // In the rows.
constexpr int64_t kPage = 500;
/// Objects of a change that was cut short before its row is written (a tag's, a merge's) are
/// measured with the next change only: less than this is no mistake.
constexpr uint64_t kUnmeasuredMax = uint64_t{1} << 20;

constexpr auto kUnits = std::to_array<std::pair<std::string_view, uint64_t>>({
    {"", 1},
    {"b", 1},
    {"kb", 1'000},
    {"mb", 1'000'000},
    {"gb", 1'000'000'000},
    {"tb", 1'000'000'000'000},
    {"kib", uint64_t{1} << 10},
    {"mib", uint64_t{1} << 20},
    {"gib", uint64_t{1} << 30},
    {"tib", uint64_t{1} << 40},
});

std::optional<uint64_t> quota_of(const NamespaceStorage& owner, const QuotaDefaults& quotas) {
  if (!owner.quota_bytes) return owner.is_org ? quotas.org_bytes : quotas.user_bytes;
  if (*owner.quota_bytes == kUnlimited) return std::nullopt;
  return static_cast<uint64_t>(*owner.quota_bytes);
}

/// `used_bytes`: before the change. The numbers stand in the detail: whoever opens a pull request
/// is told that there is no room, and not what the owner's private repositories hold.
Error full_error(const NamespaceStorage& owner, uint64_t used_bytes, uint64_t quota_bytes,
                 uint64_t added_bytes) {
  std::string more =
      added_bytes == 0 ? "" : fmt::format(", and this needs {} more", bytes_text(added_bytes));
  std::string text = fmt::format(
      "The storage of {} is full. Its owner can delete repositories, or large files for good "
      "(list_lfs_files and permanently_delete_lfs_files, or super_squash_history and a day's "
      "patience), or ask the administrator of this hub for a larger quota.",
      owner.name);
  return Error(ErrorKind::kTooLarge, text,
               {.code = std::string(kQuotaExceeded),
                .detail = fmt::format("{} of {} are used{}.", bytes_text(used_bytes),
                                      bytes_text(quota_bytes), more)});
}

NamespaceStorage owner_of(db::Tx& tx, const Repo& repo) {
  auto row = repo_storage(tx, repo.id);
  auto owner = row ? namespace_storage(tx, row->namespace_id) : std::nullopt;
  if (!owner) throw Error(ErrorKind::kNotFound, "Repository not found", {.code = "RepoNotFound"});
  return *owner;
}

/// What may still come; nothing: any amount.
std::optional<uint64_t> room_of(const NamespaceStorage& owner, const QuotaDefaults& quotas) {
  auto quota = quota_of(owner, quotas);
  if (!quota) return std::nullopt;
  return *quota > owner.used_bytes ? *quota - owner.used_bytes : 0;
}

}  // namespace

std::optional<uint64_t> parse_quota(std::string_view text) {
  std::string lower = to_lower(trim(text));
  if (lower == "unlimited") return std::nullopt;
  double number = 0;
  auto [end, error] =
      std::from_chars(lower.data(), lower.data() + lower.size(), number, std::chars_format::fixed);
  std::string_view unit = trim(std::string_view(end, lower.data() + lower.size()));
  auto at = std::ranges::find(kUnits, unit, [](const auto& known) { return known.first; });
  bool fits = error == std::errc() && at != kUnits.end() && std::isfinite(number) && number >= 0 &&
              number * static_cast<double>(at->second) < 9e18;
  if (!fits) {
    throw Error(ErrorKind::kInvalid, "'" + std::string(text) +
                                         "' is no quota. Write an amount such as 500GB or 2TiB, "
                                         "or unlimited.");
  }
  return static_cast<uint64_t>(std::llround(number * static_cast<double>(at->second)));
}

std::string bytes_text(uint64_t bytes) {
  constexpr auto kNames = std::to_array<std::string_view>({"kB", "MB", "GB", "TB", "PB"});
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  double number = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  while (number >= 999.995 && unit + 1 < kNames.size()) {
    number /= 1000;
    ++unit;
  }
  return fmt::format("{:.2f} {}", number, kNames[unit]);
}

json::object NamespaceUse::to_json() const {
  return {{"name", name},
          {"type", is_org ? "org" : "user"},
          {"usedStorage", used_bytes},
          {"storedBytes", stored_bytes},
          {"quota", quota_bytes ? json::value(*quota_bytes) : json::value(nullptr)},
          {"ownQuota", has_own_quota}};
}

StorageChange::StorageChange(db::Tx& tx, std::string repo_id, std::vector<std::string> sha256s)
    : tx_(tx),
      repo_id_(std::move(repo_id)),
      sha256s_(std::move(sha256s)),
      before_bytes_(counted_bytes(tx_, repo_id_, sha256s_)) {}

void StorageChange::record(uint64_t git_bytes, const QuotaDefaults* quotas) {
  auto after_bytes = static_cast<int64_t>(counted_bytes(tx_, repo_id_, sha256s_));
  int64_t large_bytes = after_bytes - static_cast<int64_t>(before_bytes_);
  int64_t added_bytes = large_bytes + static_cast<int64_t>(git_bytes);
  add_repo_storage(tx_, repo_id_, large_bytes, static_cast<int64_t>(git_bytes));
  if (quotas == nullptr || added_bytes <= 0) return;
  auto row = repo_storage(tx_, repo_id_);
  if (row) require_room(tx_, *quotas, row->namespace_id, static_cast<uint64_t>(added_bytes));
}

void recount_large_files(db::Tx& tx, const std::string& repo_id) {
  auto row = repo_storage(tx, repo_id);
  if (!row) return;
  auto counted = static_cast<int64_t>(counted_bytes(tx, repo_id));
  add_repo_storage(tx, repo_id, counted - static_cast<int64_t>(row->large_bytes), 0);
}

void require_room(db::Tx& tx, const QuotaDefaults& quotas, std::string_view namespace_id,
                  uint64_t added_bytes) {
  auto owner = namespace_storage(tx, namespace_id);
  if (!owner) return;
  auto quota = quota_of(*owner, quotas);
  if (!quota || owner->used_bytes <= *quota) return;
  throw full_error(*owner, owner->used_bytes - std::min(added_bytes, owner->used_bytes), *quota,
                   added_bytes);
}

Ledger::Ledger(HubContext context) : context_(std::move(context)) {}

uint64_t Ledger::used_bytes(const Repo& repo) {
  auto row = context_.database->read([&](db::Tx& tx) { return repo_storage(tx, repo.id); });
  return row ? row->bytes() : 0;
}

std::map<std::string, uint64_t> Ledger::used_bytes_of(std::string_view namespace_id) {
  return context_.database->read(
      [&](db::Tx& tx) { return namespace_repo_bytes(tx, namespace_id); });
}

namespace {

NamespaceUse use_of(db::Tx& tx, const NamespaceStorage& owner, const QuotaDefaults& quotas) {
  NamespaceUse use{.name = owner.name,
                   .is_org = owner.is_org,
                   .used_bytes = owner.used_bytes,
                   .stored_bytes = stored_once_bytes(tx, owner.id) + git_bytes_in(tx, owner.id)};
  use.quota_bytes = quota_of(owner, quotas);
  use.has_own_quota = owner.quota_bytes.has_value();
  return use;
}

Namespace require_known(db::Tx& tx, std::string_view name) {
  auto found = Accounts::find_namespace(tx, name);
  if (!found) {
    throw Error(ErrorKind::kNotFound,
                "There is no user or organisation '" + std::string(name) + "'.");
  }
  return *found;
}

}  // namespace

NamespaceUse Ledger::of_namespace(std::string_view name) {
  return context_.database->read([&](db::Tx& tx) {
    Namespace found = require_known(tx, name);
    return use_of(tx, namespace_storage(tx, found.id).value(), context_.quotas);
  });
}

std::vector<NamespaceUse> Ledger::namespaces() {
  std::vector<NamespaceUse> all;
  std::string after;
  while (true) {
    bool more = context_.database->read([&](db::Tx& tx) {
      auto page = namespace_storages(tx, after, kPage);
      for (const NamespaceStorage& owner : page) all.push_back(use_of(tx, owner, context_.quotas));
      if (!page.empty()) after = to_lower(page.back().name);
      return page.size() == static_cast<size_t>(kPage);
    });
    if (!more) return all;
  }
}

void Ledger::set_quota(const Actor& by, std::string_view name, const Quota& quota) {
  context_.database->write([&](db::Tx& tx) {
    Namespace found = require_known(tx, name);
    std::optional<int64_t> value;
    if (!quota.as_settings_say) {
      value = quota.bytes ? static_cast<int64_t>(*quota.bytes) : kUnlimited;
    }
    set_namespace_quota(tx, found.id, value);
    json::object detail;
    detail["quota"] = quota.as_settings_say ? json::value("default")
                      : quota.bytes         ? json::value(*quota.bytes)
                                            : json::value("unlimited");
    context_.audit->append(tx, by, "namespace.quota", found.name, detail);
  });
}

std::vector<std::string> Ledger::without_room(const Repo& repo,
                                              const std::vector<WantedFile>& files) {
  return context_.database->read([&](db::Tx& tx) {
    std::vector<std::string> refused;
    auto room = room_of(owner_of(tx, repo), context_.quotas);
    if (!room) return refused;
    std::set<std::string> seen;
    for (const WantedFile& file : files) {
      if (!seen.insert(file.sha256).second || is_counted(tx, repo.id, file.sha256)) continue;
      if (file.size_bytes > *room) {
        refused.push_back(file.sha256);
      } else {
        *room -= file.size_bytes;
      }
    }
    return refused;
  });
}

void Ledger::require_room(const Repo& repo, const std::vector<WantedFile>& files) {
  auto refused = without_room(repo, files);
  if (refused.empty()) return;
  uint64_t needed_bytes = 0;
  for (const WantedFile& file : files) needed_bytes += file.size_bytes;
  throw no_room(repo, needed_bytes);
}

Error Ledger::no_room(const Repo& repo, uint64_t added_bytes) {
  return context_.database->read([&](db::Tx& tx) {
    NamespaceStorage owner = owner_of(tx, repo);
    return full_error(owner, owner.used_bytes, quota_of(owner, context_.quotas).value_or(0),
                      added_bytes);
  });
}

void Ledger::require_any_room(const Repo& repo) {
  context_.database->read([&](db::Tx& tx) {
    NamespaceStorage owner = owner_of(tx, repo);
    auto room = room_of(owner, context_.quotas);
    if (!room || *room > 0) return;
    throw full_error(owner, owner.used_bytes, quota_of(owner, context_.quotas).value_or(0), 0);
  });
}

void Ledger::require_room_for_sizes(const Repo& repo, const std::vector<uint64_t>& sizes_bytes) {
  // Without any, the next request of the client is refused, and hf-xet does not show that sentence.
  require_any_room(repo);
  context_.database->read([&](db::Tx& tx) {
    NamespaceStorage owner = owner_of(tx, repo);
    auto room = room_of(owner, context_.quotas);
    uint64_t sum_bytes = 0;
    // Of one size there may be one file under several names.
    for (uint64_t size_bytes : std::set(sizes_bytes.begin(), sizes_bytes.end())) {
      if (room && !is_any_of_size(tx, repo.id, size_bytes)) sum_bytes += size_bytes;
    }
    if (!room || sum_bytes <= *room) return;
    throw full_error(owner, owner.used_bytes, quota_of(owner, context_.quotas).value_or(0),
                     sum_bytes);
  });
}

void Ledger::measure_git(const Repo& repo, const git::GitRepo& git) {
  uint64_t before_bytes = 0;
  bool pending = false;
  auto noted_bytes = [&](db::Tx& tx) {
    auto row = repo_storage(tx, repo.id);
    return row ? row->git_bytes : 0;
  };
  context_.database->read([&](db::Tx& tx) {
    before_bytes = noted_bytes(tx);
    pending = !pending_rows(tx, repo.id).empty();
  });
  uint64_t measured_bytes = git.objects_bytes();
  context_.database->write([&](db::Tx& tx) {
    uint64_t now_bytes = noted_bytes(tx);
    // Another measuring has come in between: whoever added since then measures after it.
    if (now_bytes < before_bytes) return;
    // What came meanwhile may have been measured or not. Of a change that was under way at the
    // beginning it cannot be told either: its own measuring will follow.
    uint64_t bytes = measured_bytes + (now_bytes - std::min(now_bytes, before_bytes));
    if (pending) bytes = std::max(bytes, now_bytes);
    add_repo_storage(tx, repo.id, 0, static_cast<int64_t>(bytes) - static_cast<int64_t>(now_bytes));
  });
}

std::optional<std::string> Ledger::why_wrong(const Repo& repo, const git::GitRepo* git) {
  // In this order: what a change brings is noted before it is there.
  uint64_t measured_bytes = git != nullptr ? git->objects_bytes() : 0;
  return context_.database->read([&](db::Tx& tx) -> std::optional<std::string> {
    auto row = repo_storage(tx, repo.id);
    if (!row) return std::nullopt;
    uint64_t large_bytes = counted_bytes(tx, repo.id);
    if (row->large_bytes != large_bytes) {
      return fmt::format("the ledger has {} bytes of large files, its commits name {}",
                         row->large_bytes, large_bytes);
    }
    if (measured_bytes > row->git_bytes + kUnmeasuredMax) {
      return fmt::format("the ledger has {} bytes of git objects, there are {}", row->git_bytes,
                         measured_bytes);
    }
    return std::nullopt;
  });
}

std::vector<std::string> Ledger::wrong_sums() {
  std::vector<std::string> problems;
  for (const WrongSum& wrong :
       context_.database->read([](db::Tx& tx) { return wrong_namespace_sums(tx); })) {
    problems.push_back(
        fmt::format("the ledger has {} bytes for {}, its repositories use {}; verify --rebuild "
                    "makes it again",
                    wrong.noted_bytes, wrong.name, wrong.counted_bytes));
  }
  return problems;
}

void Ledger::rebuild_sums() {
  context_.database->write([](db::Tx& tx) { rebuild_namespace_sums(tx); });
}

void Ledger::count_older_deletions() {
  auto ids = context_.database->read([](db::Tx& tx) { return repos_with_lfs_deletions(tx); });
  for (const std::string& id : ids) {
    context_.database->write([&](db::Tx& tx) { recount_large_files(tx, id); });
  }
}

}  // namespace hearth::hub
