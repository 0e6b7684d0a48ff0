#include "hub/access.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kRepoNotFound = "RepoNotFound";

/// The caller's role in the namespace: owner of an own namespace counts as admin.
std::optional<OrgRole> role_in(const Identity& who, std::string_view namespace_name) {
  if (equals_ignoring_case(who.name, namespace_name)) return OrgRole::kAdmin;
  for (const Membership& membership : who.orgs) {
    if (equals_ignoring_case(membership.org_name, namespace_name)) return membership.role;
  }
  return std::nullopt;
}

/// Whether the person behind the credential may, credential apart.
bool person_may(const Identity* who, const Repo& repo, RepoAction action, bool anonymous_read) {
  std::optional<OrgRole> role;
  if (who != nullptr) role = role_in(*who, repo.repo_id.namespace_name);
  bool sees = !repo.is_private ? who != nullptr || anonymous_read : role.has_value();
  if (who != nullptr && who->is_admin) sees = true;
  switch (action) {
    case RepoAction::kSee:
    case RepoAction::kReadFiles:
      return sees;
    case RepoAction::kDiscuss:
      return sees && who != nullptr;
    case RepoAction::kWrite:
      if (who == nullptr) return false;
      if (who->is_admin) return true;
      // A contributor may write to what they created; source: the hosted hub's organisation roles.
      if (role == OrgRole::kContributor) return repo.creator_id == who->user_id;
      return role && *role >= OrgRole::kWrite;
    case RepoAction::kAdminister:
      if (who == nullptr) return false;
      if (who->is_admin) return true;
      if (role == OrgRole::kContributor) return repo.creator_id == who->user_id;
      return role && *role >= OrgRole::kWrite;
  }
  return false;
}

bool scope_covers(const TokenScope& scope, const Repo& repo) {
  if (scope.entity_type == "user" || scope.entity_type == "org") {
    return scope.entity_id == repo.namespace_id;
  }
  return scope.entity_type == to_string(repo.type) && scope.entity_id == repo.id;
}

bool fine_grained_may(const Credential& credential, const Repo& repo, std::string_view permission) {
  auto lists = [&](const std::vector<std::string>& permissions) {
    return std::find(permissions.begin(), permissions.end(), permission) != permissions.end();
  };
  if (lists(credential.global_permissions)) return true;
  return std::any_of(credential.scopes.begin(), credential.scopes.end(), [&](const auto& scope) {
    return scope_covers(scope, repo) && lists(scope.permissions);
  });
}

/// Whether the credential carries that much of the person's rights.
bool credential_may(const Identity& who, const Repo& repo, RepoAction action) {
  const Credential& credential = who.credential;
  bool reading = action == RepoAction::kSee || action == RepoAction::kReadFiles;
  switch (credential.kind) {
    case CredentialKind::kSession:
    case CredentialKind::kWriteToken:
      return true;
    case CredentialKind::kReadToken:
      return reading;
    case CredentialKind::kOAuth: {
      if (reading && !repo.is_private) return true;
      auto has = [&](std::string_view scope) {
        const auto& all = credential.global_permissions;
        return std::find(all.begin(), all.end(), scope) != all.end();
      };
      if (has("manage-repos")) return true;
      if (reading) return has("read-repos") || has("write-repos");
      if (action == RepoAction::kDiscuss) return has("write-discussions") || has("write-repos");
      return action == RepoAction::kWrite && has("write-repos");
    }
    case CredentialKind::kFineGrainedToken:
      if (reading && !repo.is_private) return true;
      if (fine_grained_may(credential, repo, "repo.write")) return true;
      if (reading) return fine_grained_may(credential, repo, "repo.content.read");
      if (action == RepoAction::kDiscuss) {
        return fine_grained_may(credential, repo, "discussion.write");
      }
      return false;
  }
  return false;
}

bool past_the_gate(const Identity* who, const Repo& repo, const AccessPolicy& policy) {
  if (repo.gated == Gated::kNo) return true;
  if (who == nullptr) return false;
  const Credential& credential = who->credential;
  if (credential.kind == CredentialKind::kFineGrainedToken && !credential.can_read_gated_repos &&
      !fine_grained_may(credential, repo, "repo.content.read") &&
      !fine_grained_may(credential, repo, "repo.write")) {
    return false;
  }
  if (person_may(who, repo, RepoAction::kWrite, policy.anonymous_read)) return true;
  if (repo.is_private && role_in(*who, repo.repo_id.namespace_name)) return true;
  return policy.has_grant && policy.has_grant(who->user_id, repo.id);
}

[[noreturn]] void throw_gated(const Identity* who, const Repo& repo) {
  std::string subject = "Access to " + std::string(to_string(repo.type)) + " " +
                        repo.repo_id.full() + " is restricted";
  // Two sentences that the clients' own tests match; hub-api 2.3.
  std::string message =
      who == nullptr
          ? subject +
                ". You must have access to it and be authenticated to access it. Please log in."
          : subject + " and you are not in the authorized list. Ask " +
                repo.repo_id.namespace_name + " for access.";
  throw Error(who == nullptr ? ErrorKind::kUnauthenticated : ErrorKind::kForbidden,
              std::move(message), {.code = "GatedRepo"});
}

}  // namespace

bool Access::may(const Identity* who, const Repo& repo, RepoAction action) const {
  if (!person_may(who, repo, action, policy_.anonymous_read)) return false;
  if (who != nullptr && !credential_may(*who, repo, action)) return false;
  if (action == RepoAction::kDiscuss && repo.discussions_disabled &&
      !person_may(who, repo, RepoAction::kWrite, policy_.anonymous_read)) {
    return false;
  }
  if (repo.disabled && action != RepoAction::kSee) return who != nullptr && who->is_admin;
  return action != RepoAction::kReadFiles || past_the_gate(who, repo, policy_);
}

void Access::require(const Identity* who, const Repo& repo, RepoAction action) const {
  if (!may(who, repo, RepoAction::kSee)) throw_repo_not_found(who);
  if (repo.disabled && !(who != nullptr && who->is_admin)) {
    // Exactly this text: huggingface_hub matches it.
    throw Error(ErrorKind::kForbidden, "Access to this resource is disabled.");
  }
  if (may(who, repo, action)) return;
  if (action == RepoAction::kReadFiles && !past_the_gate(who, repo, policy_))
    throw_gated(who, repo);
  if (who == nullptr) {
    throw Error(ErrorKind::kUnauthenticated, "Invalid username or password.",
                {.detail = "a stranger may not do this"});
  }
  if (!credential_may(*who, repo, action)) {
    throw Error(ErrorKind::kForbidden,
                "This token does not have the right to do this: use one with the role 'write'.");
  }
  if (action == RepoAction::kDiscuss && repo.discussions_disabled) {
    throw Error(ErrorKind::kForbidden,
                "Discussions and pull requests are disabled for this repository.");
  }
  std::string sentence = "You don't have the rights to do this to " + repo.repo_id.full() + ": ";
  if (action == RepoAction::kAdminister) {
    sentence += "only who administers " + repo.repo_id.namespace_name + " has.";
  } else {
    sentence += "only " + repo.repo_id.namespace_name +
                " has. Open a pull request instead (create_pr=True).";
  }
  throw Error(ErrorKind::kForbidden, std::move(sentence));
}

void Access::throw_repo_not_found(const Identity* who) {
  if (who == nullptr) {
    throw Error(ErrorKind::kUnauthenticated, "Invalid username or password.",
                {.code = std::string(kRepoNotFound)});
  }
  throw Error(ErrorKind::kNotFound, "Repository not found", {.code = std::string(kRepoNotFound)});
}

void Access::require_signed_in(const Identity* who, bool writing) const {
  if (who == nullptr) {
    throw Error(ErrorKind::kUnauthenticated, "Invalid username or password.");
  }
  if (!writing) return;
  const Credential& credential = who->credential;
  bool may_write = credential.kind != CredentialKind::kReadToken;
  if (!may_write) {
    throw Error(ErrorKind::kForbidden, "This token may only read: use one with the role 'write'.");
  }
}

void Access::require_namespace_write(const Identity* who, std::string_view namespace_name) const {
  require_signed_in(who, true);
  auto role = role_in(*who, namespace_name);
  bool person = who->is_admin || (role && *role >= OrgRole::kContributor);
  if (!person) {
    throw Error(ErrorKind::kForbidden,
                "You don't have the rights to create a repository under the namespace \"" +
                    std::string(namespace_name) + "\".");
  }
  const Credential& credential = who->credential;
  if (credential.kind == CredentialKind::kFineGrainedToken) {
    auto lists = [](const std::vector<std::string>& permissions) {
      return std::find(permissions.begin(), permissions.end(), "repo.write") != permissions.end();
    };
    bool covered =
        lists(credential.global_permissions) ||
        std::any_of(credential.scopes.begin(), credential.scopes.end(),
                    [&](const TokenScope& scope) {
                      return (scope.entity_type == "user" || scope.entity_type == "org") &&
                             equals_ignoring_case(scope.entity_name, namespace_name) &&
                             lists(scope.permissions);
                    });
    if (!covered) {
      throw Error(ErrorKind::kForbidden, "This fine-grained token does not cover the namespace \"" +
                                             std::string(namespace_name) + "\".");
    }
  }
  if (credential.kind == CredentialKind::kOAuth) {
    const auto& all = credential.global_permissions;
    if (std::find(all.begin(), all.end(), "manage-repos") == all.end() &&
        std::find(all.begin(), all.end(), "write-repos") == all.end()) {
      throw Error(ErrorKind::kForbidden, "This sign-in was not given the scope 'manage-repos'.");
    }
  }
}

void Access::require_administrator(const Identity* who) const {
  require_signed_in(who, true);
  bool full = who->credential.kind == CredentialKind::kSession ||
              who->credential.kind == CredentialKind::kWriteToken;
  if (!who->is_admin || !full) {
    throw Error(ErrorKind::kForbidden, "Only an administrator may do this.");
  }
}

bool Access::is_metrics_token(std::string_view token) const {
  return !policy_.metrics_token.empty() && constant_time_equal(token, policy_.metrics_token);
}

}  // namespace hearth::hub
