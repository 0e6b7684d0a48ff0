#pragma once
// The one place that decides who may do what, and what a stranger may learn.
//
// A repository that the caller may not see looks exactly like one that is not there: 401
// RepoNotFound to a stranger, 404 RepoNotFound to someone known (hub-api 2.3). The order of checks
// is: is the credential valid, does the repository exist and may it be seen, is it disabled, may
// the credential do this, is it gated.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "hub/identity.h"
#include "hub/repo.h"

namespace hearth::hub {

/// What someone wants to do with a repository; each includes the ones before, except that
/// discussing needs no right to write.
enum class RepoAction {
  kSee,         // that it exists; metadata, tree, commits, refs
  kReadFiles,   // content of files: past the gate
  kDiscuss,     // open a discussion or a pull request: anyone signed in who sees it
  kWrite,       // change content, branches, tags
  kAdminister,  // settings, delete, move
};

/// Whether the user was granted access to a gated repository; asked only when it matters.
using HasGrant = std::function<bool(const std::string& user_id, const std::string& repo_id)>;

/// Configuration that access depends on.
struct AccessPolicy {
  bool anonymous_read = true;  // A stranger may see public repositories at all.
  HasGrant has_grant;          // Null: nobody was granted anything.
  std::string metrics_token;   // What opens the metrics beside administrators; empty: nothing.
};

class Access {
 public:
  explicit Access(AccessPolicy policy = {}) : policy_(std::move(policy)) {}

  /// Whether `who` (null: a stranger) may do this. Never throws for a plain "no".
  bool may(const Identity* who, const Repo& repo, RepoAction action) const;

  /// Throws what the caller may learn: kUnauthenticated or kNotFound with RepoNotFound, kForbidden,
  /// kGated with GatedRepo.
  void require(const Identity* who, const Repo& repo, RepoAction action) const;

  /// The answer for a repository that does not exist; equal to the one for a hidden one.
  [[noreturn]] static void throw_repo_not_found(const Identity* who);

  /// Creating repositories in a namespace: one's own, or an organisation where the caller is at
  /// least contributor. Throws kUnauthenticated or kForbidden.
  void require_namespace_write(const Identity* who, std::string_view namespace_name) const;

  /// Running the hub: administrators, with a session or a write token.
  void require_administrator(const Identity* who) const;

  /// Whether it is the token that was configured for reading metrics.
  bool is_metrics_token(std::string_view token) const;

  /// Someone signed in, with a credential that may change things when `writing`.
  void require_signed_in(const Identity* who, bool writing) const;

 private:
  AccessPolicy policy_;
};

}  // namespace hearth::hub
