#pragma once
// Who is asking, and with what. Made by hub/accounts for one request; read by hub/access.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace hearth::hub {

/// Ordered: a later role may do all that an earlier one may.
enum class OrgRole { kRead, kContributor, kWrite, kAdmin };

/// "read", "contributor", "write", "admin": the clients' roleInOrg.
std::string_view to_string(OrgRole role);
std::optional<OrgRole> parse_org_role(std::string_view text);

struct Membership {
  std::string org_id;
  std::string org_name;
  std::string org_fullname;
  OrgRole role = OrgRole::kRead;
};

/// How the caller proved who they are. A session is a person at the pages.
enum class CredentialKind { kSession, kReadToken, kWriteToken, kFineGrainedToken, kOAuth };

/// One entry of a fine-grained token: what it may do to one user, organisation or repository.
struct TokenScope {
  std::string entity_type;               // "user", "org", "model", "dataset", "space"
  std::string entity_id;                 // 24 hex
  std::string entity_name;               // "alice", "acme", "acme/tiny"; for display, ids decide
  std::vector<std::string> permissions;  // "repo.content.read", "repo.write", …
};

struct Credential {
  CredentialKind kind = CredentialKind::kSession;
  std::string id;            // Of the token or session row.
  Bytes secret_hash;         // What Accounts::authenticate_hash finds it again by.
  std::string display_name;  // The token's name; clients store it under this name.
  int64_t created_ms = 0;
  std::optional<int64_t> expires_ms;
  // Only for fine-grained and OAuth tokens:
  bool can_read_gated_repos = false;
  std::vector<std::string> global_permissions;
  std::vector<TokenScope> scopes;
};

struct Identity {
  std::string user_id;
  std::string name;
  std::string fullname;
  std::optional<std::string> email;
  bool is_admin = false;
  int64_t created_ms = 0;
  std::vector<Membership> orgs;
  Credential credential;
};

}  // namespace hearth::hub
