#pragma once
// People, organisations, and what they prove themselves with: passwords, sessions, access tokens,
// and the device login of `hf auth login`.
//
// Every change is written together with its audit row. A credential is looked up at each request:
// a revoked token, an ended session and a disabled account are dead at once, in every process.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "db/db.h"
#include "hub/audit.h"
#include "hub/identity.h"

namespace hearth::hub {

enum class NamespaceKind { kUser, kOrg };

/// What a repository id begins with.
struct Namespace {
  std::string id;  // Of the user or organisation.
  NamespaceKind kind = NamespaceKind::kUser;
  std::string name;                 // As its owner writes it; compares without case.
  bool private_by_default = false;  // Of repositories whose maker says nothing of it.
};

struct User {
  std::string id;
  std::string name;
  std::string fullname;
  std::optional<std::string> email;
  bool is_admin = false;
  bool disabled = false;
  bool has_password = false;
  int64_t created_ms = 0;
};

struct NewUser {
  std::string name;
  std::string fullname = {};  // Empty: the name.
  std::optional<std::string> email = {};
  std::optional<std::string> password = {};  // Nothing: signs in by token only.
  bool is_admin = false;
};

struct Organisation {
  std::string id;
  std::string name;
  std::string fullname;
  std::optional<std::string> email;
  int64_t created_ms = 0;
};

struct NewOrganisation {
  std::string name;
  std::string fullname = {};  // Empty: the name.
  std::string owner;          // The user who becomes its admin.
  bool private_by_default = false;
};

struct Member {
  std::string user_id;
  std::string name;
  std::string fullname;
  OrgRole role = OrgRole::kRead;
  int64_t created_ms = 0;
};

enum class TokenRole { kRead, kWrite, kFineGrained };

/// "read", "write", "fineGrained": as in whoami-v2.
std::string_view to_string(TokenRole role);
std::optional<TokenRole> parse_token_role(std::string_view text);

/// What a fine-grained token may do.
struct TokenScopes {
  bool can_read_gated_repos = false;
  std::vector<std::string> global_permissions = {};
  std::vector<TokenScope> scopes = {};
};

struct AccessToken {
  std::string id;
  std::string display_name;
  TokenRole role = TokenRole::kRead;
  TokenScopes scopes;  // kFineGrained only.
  int64_t created_ms = 0;
  std::optional<int64_t> last_used_ms;  // To a few minutes.
  std::optional<int64_t> expires_ms;
};

struct NewAccessToken {
  std::string display_name;  // Unique for its owner.
  TokenRole role = TokenRole::kRead;
  TokenScopes scopes = {};
  std::optional<int64_t> expires_ms = {};
  /// A token made elsewhere, "hf_" and at least 20 letters and digits; empty: a random one.
  std::string value = {};
};

/// A new secret, shown this once: only its hash is kept.
struct IssuedToken {
  AccessToken token;
  std::string value;
};

struct IssuedSession {
  std::string value;  // For the cookie.
  int64_t expires_ms = 0;
};

inline constexpr int64_t kSessionMs = int64_t{30} * 24 * 3600 * 1000;  // From its last use.
inline constexpr size_t kPasswordBytesMin = 8;
inline constexpr size_t kPasswordBytesMax = 1024;

/// What the device login asks for and gets; the field names are OAuth's (RFC 8628).
struct DeviceCode {
  std::string device_code;
  std::string user_code;  // "BCDF-GHJK"
  int64_t expires_in_s = 0;
  int64_t interval_s = 0;
};

struct DeviceRequest {
  std::string user_code;
  std::string client_id;
  int64_t created_ms = 0;
};

struct OAuthTokens {
  std::string access_token;  // "hf_oauth_…"
  std::string refresh_token;
  int64_t expires_in_s = 0;
  std::string scope;
};

/// A program that someone logged in: its tokens, as one thing to end.
struct SignIn {
  std::string id;
  std::string client_id;
  std::string scope;
  int64_t created_ms = 0;
};

/// OAuth's answer to a token request that gives none. `error` is its word ("slow_down").
class OAuthError : public Error {
 public:
  explicit OAuthError(std::string error, std::string description)
      : Error(ErrorKind::kInvalid, std::move(description)), error_(std::move(error)) {}
  const std::string& error() const { return error_; }

 private:
  std::string error_;
};

/// Every scope that a sign-in may be given, in OAuth's words.
std::span<const std::string_view> oauth_scopes();

inline constexpr int64_t kDeviceCodeMs = 15 * 60 * 1000;
inline constexpr int64_t kDeviceIntervalMs = 5'000;
inline constexpr int64_t kOAuthAccessMs = int64_t{30} * 24 * 3600 * 1000;
inline constexpr int64_t kOAuthRefreshMs = int64_t{90} * 24 * 3600 * 1000;

/// Safe from any thread. Errors of all: kInvalid with a sentence for what is malformed, kNotFound
/// for a name that is not there, kConflict for a name that is taken.
class Accounts {
 public:
  Accounts(db::Database& database, const Clock& clock);

  // --- Names ---
  std::optional<Namespace> find_namespace(std::string_view name);
  /// In the caller's transaction: a repository is made in a namespace that is there.
  static std::optional<Namespace> find_namespace(db::Tx& tx, std::string_view name);

  // --- People ---
  User create_user(const Actor& by, const NewUser& user);
  std::optional<User> find_user(std::string_view name);
  std::optional<User> find_user_by_id(std::string_view id);
  std::vector<User> list_users();
  /// Ends all of the user's sessions.
  void set_password(const Actor& by, std::string_view name, std::string_view password);
  /// A disabled user can do nothing, and keeps everything.
  void set_disabled(const Actor& by, std::string_view name, bool disabled);
  void set_admin(const Actor& by, std::string_view name, bool is_admin);

  // --- Organisations ---
  Organisation create_organisation(const Actor& by, const NewOrganisation& organisation);
  std::optional<Organisation> find_organisation(std::string_view name);
  std::vector<Organisation> list_organisations();
  /// Adds a member or changes the role. Refuses to take the role from the last admin (kConflict).
  void set_member(const Actor& by, std::string_view org, std::string_view user, OrgRole role);
  void remove_member(const Actor& by, std::string_view org, std::string_view user);
  /// By name, from `after_name` on.
  std::vector<Member> list_members(std::string_view org, std::string_view after_name = {},
                                   int64_t limit = 1000);
  int64_t count_members(std::string_view org_id);
  std::vector<Membership> list_memberships(std::string_view user_id);

  // --- Access tokens ---
  IssuedToken create_token(const Actor& by, std::string_view user, const NewAccessToken& token);
  std::vector<AccessToken> list_tokens(std::string_view user);
  /// Throws kNotFound when the user has no token of that name.
  void revoke_token(const Actor& by, std::string_view user, std::string_view display_name);

  // --- Who is asking ---
  /// An access token or an OAuth token, from a Bearer header or as the password of git. Nothing:
  /// not valid (unknown, expired, revoked, or its user is disabled).
  std::optional<Identity> authenticate_token(std::string_view token);
  /// The session of a cookie.
  std::optional<Identity> authenticate_session(std::string_view value);
  /// The same credential later, by Credential::secret_hash: for tokens and URLs that were signed on
  /// its behalf and die with it. The hash opens nothing by itself, so it may leave the hub in them
  /// only together with our signature.
  std::optional<Identity> authenticate_hash(const Bytes& secret_hash);
  /// A password for a session. Throws kUnauthenticated (the same words for a wrong name and a wrong
  /// password, after the same work) and kRateLimited after several wrong ones in a row from that
  /// address, whether the name exists or not (hub/wrong_passwords.h).
  IssuedSession sign_in(std::string_view name, std::string_view password,
                        std::string_view remote_address);
  void sign_out(std::string_view session_value);

  // --- Device login (RFC 8628) ---
  DeviceCode start_device_login(std::string_view client_id, std::string_view scope);
  /// What a code that someone typed asks for; nothing when it is unknown, answered or expired.
  /// Small letters and a missing dash are forgiven.
  std::optional<DeviceRequest> find_device_request(std::string_view user_code);
  /// False: the code is unknown, answered or expired.
  bool answer_device_request(const Identity& by, std::string_view user_code, bool approve,
                             std::string_view remote_address);
  /// Throws OAuthError: authorization_pending, slow_down, access_denied, expired_token,
  /// invalid_grant.
  OAuthTokens poll_device_login(std::string_view device_code, std::string_view client_id);
  /// A refresh token for new tokens. It may be used once; for a minute it works again, so that two
  /// processes of one user that refresh together both go on. Throws OAuthError{invalid_grant}.
  OAuthTokens refresh_oauth(std::string_view refresh_token, std::string_view client_id);

  /// The newest first.
  std::vector<SignIn> list_sign_ins(std::string_view user);
  /// Ends a program's sign-in with all its tokens. Throws kNotFound.
  void end_sign_in(const Actor& by, std::string_view user, std::string_view sign_in_id);

  // --- The first start ---
  /// True until there has been an administrator: the hub answers nothing else until then.
  bool needs_setup();
  /// Asks the database each time; throws when it does not answer.
  bool has_administrator();
  /// A new single-use token for /setup/<token>; older ones stop working.
  std::string create_setup_token();
  bool is_setup_token(std::string_view token);
  /// Makes the first administrator. Throws kNotFound when the token is not valid, or was used.
  User use_setup_token(std::string_view token, const NewUser& admin,
                       std::string_view remote_address);

  /// Deletes what has expired (sessions, codes, OAuth tokens, wrong passwords). Cheap; called by
  /// housekeeping.
  void remove_expired();

 private:
  db::Database& database_;
  const Clock& clock_;
  Audit audit_;
  std::atomic<bool> set_up_ = false;  // Once there has been an administrator there always is one.
};

}  // namespace hearth::hub
