#pragma once
// Discussions and pull requests: one counter for both in each repository; a pull request is the ref
// refs/pr/N. Source of every shape: hub-api 8.1 and 15.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "hub/caller.h"
#include "hub/contents.h"
#include "hub/context.h"
#include "hub/repo.h"

namespace hearth::db {
class Tx;
}

namespace hearth::git {
struct Oid;
}

namespace hearth::hub {

struct EventRow;
class Receive;
class Repositories;

struct NewDiscussion {
  std::string title;
  std::string description = {};
  bool is_pull_request = false;  // A draft, refs/pr/N at the base's head
};

struct DiscussionFilter {
  std::optional<bool> is_pull_request = {};
  std::string status = {};  // "open" (drafts count as open), "closed" (and merged); empty: all
  std::string author = {};  // Empty: anyone
  uint64_t page = 0;        // Of kDiscussionsPerPage
};
constexpr uint64_t kDiscussionsPerPage = 50;

/// Safe from any thread. Texts above 64 KiB are refused with kTooLarge; a number that does not
/// exist is kNotFound. Every function checks what the caller may do (hub-api 8.1: anyone signed in
/// who sees the repository opens and comments; the author and writers close and rename; writers
/// merge).
class Community {
 public:
  Community(HubContext context, Repositories& repositories, Receive& receive, Contents& contents);

  /// Returns {"num": n, …}: the details.
  json::object create(const Caller& caller, const Repo& repo, const NewDiscussion& wanted);

  /// {"discussions":[…],"count":total,"start":offset}; the newest first.
  json::object list(const Repo& repo, const DiscussionFilter& filter);

  struct DetailsOptions {
    bool with_diff = false;
  };
  json::object details(const Repo& repo, int64_t num, DetailsOptions options);

  /// Each returns the new event, without its wrapping ("newMessage", "newTitle", …).
  json::object comment(const Caller& caller, const Repo& repo, int64_t num, std::string_view text);
  json::object rename(const Caller& caller, const Repo& repo, int64_t num, std::string_view title);
  /// `status` is "open" or "closed".
  json::object set_status(const Caller& caller, const Repo& repo, int64_t num,
                          std::string_view status, std::string_view comment);
  json::object edit_comment(const Caller& caller, const Repo& repo, int64_t num,
                            std::string_view event_id, std::string_view text);
  json::object hide_comment(const Caller& caller, const Repo& repo, int64_t num,
                            std::string_view event_id);

  /// Merges an open pull request into its base by a merge commit; returns the commit.
  /// kConflict names the files that conflict, or says that it is not open.
  std::string merge(const Caller& caller, const Repo& repo, int64_t num, std::string_view comment);

  // --- For commits ---
  /// Whether the caller may commit to refs/pr/N: its author, or writers.
  bool may_push(const Identity& identity, const Repo& repo, int64_t num);
  /// Throws kForbidden when the pull request is closed or merged.
  void require_open(const Repo& repo, int64_t num);

 private:
  json::array conflicts(const Repo& repo, const git::Oid& base, const git::Oid& head);
  void require_author_or_writer(const Caller& caller, const Repo& repo,
                                const std::string& author_id);
  EventRow require_comment(db::Tx& tx, const Repo& repo, int64_t num, std::string_view event_id);
  void note(db::Tx& tx, const Caller& caller, const Repo& repo, int64_t num,
            std::string_view action);

  HubContext context_;
  Repositories& repositories_;
  Receive& receive_;
  Contents& contents_;
};

}  // namespace hearth::hub
