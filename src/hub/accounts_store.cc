#include "hub/accounts_store.h"

#include "base/json.h"
#include "base/text.h"
#include "hub/accounts_json.h"

namespace hearth::hub::accounts_store {
namespace {

constexpr std::string_view kUserColumns =
    "SELECT n.id, n.name, a.fullname, a.email, a.is_admin, a.disabled,"
    " CASE WHEN a.password_hash IS NULL THEN 0 ELSE 1 END, n.created_ms"
    " FROM account a JOIN namespace n ON n.id = a.id ";

User user_of(const db::Row& row) {
  return {.id = row.get_text(0),
          .name = row.get_text(1),
          .fullname = row.get_text(2),
          .email = row.get_optional_text(3),
          .is_admin = row.get_bool(4),
          .disabled = row.get_bool(5),
          .has_password = row.get_bool(6),
          .created_ms = row.get_int(7)};
}

Organisation organisation_of(const db::Row& row) {
  return {.id = row.get_text(0),
          .name = row.get_text(1),
          .fullname = row.get_text(2),
          .email = row.get_optional_text(3),
          .created_ms = row.get_int(4)};
}

constexpr std::string_view kOrganisationColumns =
    "SELECT n.id, n.name, o.fullname, o.email, n.created_ms"
    " FROM organisation o JOIN namespace n ON n.id = o.id ";

OrgRole role_of(const std::string& text) {
  const auto role = parse_org_role(text);
  HEARTH_ASSERT(role, "the table checks its roles");
  return *role;
}

TokenScopes scopes_of(const std::optional<std::string>& text) {
  if (!text) return {};
  return token_scopes_from_json(parse_json_object(*text));
}

/// The user's columns of a credential, from `column` on.
void read_user(const db::Row& row, size_t column, Identity& identity) {
  identity.user_id = row.get_text(column);
  identity.name = row.get_text(column + 1);
  identity.fullname = row.get_text(column + 2);
  identity.email = row.get_optional_text(column + 3);
  identity.is_admin = row.get_bool(column + 4);
  identity.created_ms = row.get_int(column + 5);
}

}  // namespace

std::optional<Namespace> find_namespace(db::Tx& tx, std::string_view name_key) {
  constexpr std::string_view kSql =
      "SELECT id, kind, name, private_by_default FROM namespace WHERE name_key = ?1";
  const auto row = tx.query_one(kSql, {name_key});
  if (!row) return std::nullopt;
  return Namespace{.id = row->get_text(0),
                   .kind = row->get_text(1) == "org" ? NamespaceKind::kOrg : NamespaceKind::kUser,
                   .name = row->get_text(2),
                   .private_by_default = row->get_bool(3)};
}

bool insert_namespace(db::Tx& tx, const Namespace& entry, int64_t now_ms) {
  constexpr std::string_view kSql =
      "INSERT INTO namespace (name_key, id, kind, name, created_ms, private_by_default)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
      " ON CONFLICT (name_key) DO NOTHING";
  const std::string_view kind = entry.kind == NamespaceKind::kOrg ? "org" : "user";
  return tx.execute(kSql, {to_lower(entry.name), entry.id, kind, entry.name, now_ms,
                           entry.private_by_default}) == 1;
}

void insert_user(db::Tx& tx, const User& user, const std::optional<std::string>& password_hash,
                 int64_t now_ms) {
  constexpr std::string_view kSql =
      "INSERT INTO account (id, fullname, email, is_admin, disabled, password_hash,"
      " wrong_passwords, blocked_until_ms, updated_ms) VALUES (?1, ?2, ?3, ?4, 0, ?5, 0, 0, ?6)";
  tx.execute(kSql, {user.id, user.fullname, user.email, user.is_admin, password_hash, now_ms});
}

std::optional<User> find_user(db::Tx& tx, std::string_view name_key) {
  static const std::string kSql = std::string(kUserColumns) + "WHERE n.name_key = ?1";
  const auto row = tx.query_one(kSql, {name_key});
  if (!row) return std::nullopt;
  return user_of(*row);
}

std::optional<User> find_user_by_id(db::Tx& tx, std::string_view id) {
  static const std::string kSql = std::string(kUserColumns) + "WHERE a.id = ?1";
  const auto row = tx.query_one(kSql, {id});
  if (!row) return std::nullopt;
  return user_of(*row);
}

std::vector<User> list_users(db::Tx& tx) {
  static const std::string kSql = std::string(kUserColumns) + "ORDER BY n.name_key";
  std::vector<User> users;
  for (const db::Row& row : tx.query(kSql)) users.push_back(user_of(row));
  return users;
}

bool has_administrator(db::Tx& tx) {
  constexpr std::string_view kSql = "SELECT id FROM account WHERE is_admin = 1 LIMIT 1";
  return tx.query_one(kSql).has_value();
}

int64_t count_enabled_administrators(db::Tx& tx) {
  constexpr std::string_view kSql =
      "SELECT count(*) FROM account WHERE is_admin = 1 AND disabled = 0";
  return tx.query_one(kSql)->get_int(0);
}

void set_password_hash(db::Tx& tx, std::string_view user_id, std::string_view hash,
                       int64_t now_ms) {
  constexpr std::string_view kSql =
      "UPDATE account SET password_hash = ?2, updated_ms = ?3 WHERE id = ?1";
  tx.execute(kSql, {user_id, hash, now_ms});
}

void set_disabled(db::Tx& tx, std::string_view user_id, bool disabled, int64_t now_ms) {
  constexpr std::string_view kSql =
      "UPDATE account SET disabled = ?2, updated_ms = ?3 WHERE id = ?1";
  tx.execute(kSql, {user_id, disabled, now_ms});
}

void set_admin(db::Tx& tx, std::string_view user_id, bool is_admin, int64_t now_ms) {
  constexpr std::string_view kSql =
      "UPDATE account SET is_admin = ?2, updated_ms = ?3 WHERE id = ?1";
  tx.execute(kSql, {user_id, is_admin, now_ms});
}

std::optional<PasswordRow> find_password(db::Tx& tx, std::string_view name_key) {
  constexpr std::string_view kSql =
      "SELECT a.id, a.password_hash, a.disabled"
      " FROM account a JOIN namespace n ON n.id = a.id WHERE n.name_key = ?1";
  const auto row = tx.query_one(kSql, {name_key});
  if (!row) return std::nullopt;
  return PasswordRow{.user_id = row->get_text(0),
                     .hash = row->get_optional_text(1).value_or(""),
                     .disabled = row->get_bool(2)};
}

void insert_organisation(db::Tx& tx, const Organisation& organisation) {
  constexpr std::string_view kSql =
      "INSERT INTO organisation (id, fullname, email) VALUES (?1, ?2, ?3)";
  tx.execute(kSql, {organisation.id, organisation.fullname, organisation.email});
}

std::optional<Organisation> find_organisation(db::Tx& tx, std::string_view name_key) {
  static const std::string kSql = std::string(kOrganisationColumns) + "WHERE n.name_key = ?1";
  const auto row = tx.query_one(kSql, {name_key});
  if (!row) return std::nullopt;
  return organisation_of(*row);
}

std::vector<Organisation> list_organisations(db::Tx& tx) {
  static const std::string kSql = std::string(kOrganisationColumns) + "ORDER BY n.name_key";
  std::vector<Organisation> organisations;
  for (const db::Row& row : tx.query(kSql)) organisations.push_back(organisation_of(row));
  return organisations;
}

void set_member(db::Tx& tx, std::string_view org_id, std::string_view user_id, OrgRole role,
                int64_t now_ms) {
  constexpr std::string_view kSql =
      "INSERT INTO member (org_id, user_id, role, created_ms) VALUES (?1, ?2, ?3, ?4)"
      " ON CONFLICT (org_id, user_id) DO UPDATE SET role = excluded.role";
  tx.execute(kSql, {org_id, user_id, to_string(role), now_ms});
}

std::optional<OrgRole> find_role(db::Tx& tx, std::string_view org_id, std::string_view user_id) {
  constexpr std::string_view kSql = "SELECT role FROM member WHERE org_id = ?1 AND user_id = ?2";
  const auto row = tx.query_one(kSql, {org_id, user_id});
  if (!row) return std::nullopt;
  return role_of(row->get_text(0));
}

bool remove_member(db::Tx& tx, std::string_view org_id, std::string_view user_id) {
  constexpr std::string_view kSql = "DELETE FROM member WHERE org_id = ?1 AND user_id = ?2";
  return tx.execute(kSql, {org_id, user_id}) == 1;
}

int64_t count_members(db::Tx& tx, std::string_view org_id) {
  constexpr std::string_view kSql = "SELECT count(*) FROM member WHERE org_id = ?1";
  return tx.query_one(kSql, {org_id})->get_int(0);
}

int64_t count_org_admins(db::Tx& tx, std::string_view org_id) {
  constexpr std::string_view kSql =
      "SELECT count(*) FROM member WHERE org_id = ?1 AND role = 'admin'";
  return tx.query_one(kSql, {org_id})->get_int(0);
}

std::vector<Member> list_members(db::Tx& tx, std::string_view org_id, std::string_view after_key,
                                 int64_t limit) {
  constexpr std::string_view kSql =
      "SELECT m.user_id, n.name, a.fullname, m.role, m.created_ms FROM member m"
      " JOIN account a ON a.id = m.user_id JOIN namespace n ON n.id = m.user_id"
      " WHERE m.org_id = ?1 AND n.name_key > ?2 ORDER BY n.name_key LIMIT ?3";
  std::vector<Member> members;
  for (const db::Row& row : tx.query(kSql, {org_id, after_key, limit})) {
    members.push_back({.user_id = row.get_text(0),
                       .name = row.get_text(1),
                       .fullname = row.get_text(2),
                       .role = role_of(row.get_text(3)),
                       .created_ms = row.get_int(4)});
  }
  return members;
}

std::vector<Membership> list_memberships(db::Tx& tx, std::string_view user_id) {
  constexpr std::string_view kSql =
      "SELECT m.org_id, n.name, o.fullname, m.role FROM member m"
      " JOIN organisation o ON o.id = m.org_id JOIN namespace n ON n.id = m.org_id"
      " WHERE m.user_id = ?1 ORDER BY n.name_key";
  std::vector<Membership> memberships;
  for (const db::Row& row : tx.query(kSql, {user_id})) {
    memberships.push_back({.org_id = row.get_text(0),
                           .org_name = row.get_text(1),
                           .org_fullname = row.get_text(2),
                           .role = role_of(row.get_text(3))});
  }
  return memberships;
}

bool insert_token(db::Tx& tx, std::string_view user_id, const AccessToken& token,
                  const Bytes& token_hash) {
  constexpr std::string_view kSql =
      "INSERT INTO access_token (id, token_hash, user_id, display_name, role, scopes, created_ms,"
      " expires_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
      " ON CONFLICT (user_id, display_name) DO NOTHING";
  std::optional<std::string> scopes;
  if (token.role == TokenRole::kFineGrained) scopes = json::serialize(to_json(token.scopes));
  return tx.execute(kSql, {token.id, token_hash, user_id, token.display_name, to_string(token.role),
                           scopes, token.created_ms, token.expires_ms}) == 1;
}

std::vector<AccessToken> list_tokens(db::Tx& tx, std::string_view user_id) {
  constexpr std::string_view kSql =
      "SELECT id, display_name, role, scopes, created_ms, last_used_ms, expires_ms"
      " FROM access_token WHERE user_id = ?1 ORDER BY display_name";
  std::vector<AccessToken> tokens;
  for (const db::Row& row : tx.query(kSql, {user_id})) {
    tokens.push_back({.id = row.get_text(0),
                      .display_name = row.get_text(1),
                      .role = parse_token_role(row.get_text(2)).value_or(TokenRole::kRead),
                      .scopes = scopes_of(row.get_optional_text(3)),
                      .created_ms = row.get_int(4),
                      .last_used_ms = row.get_optional_int(5),
                      .expires_ms = row.get_optional_int(6)});
  }
  return tokens;
}

bool remove_token(db::Tx& tx, std::string_view user_id, std::string_view display_name) {
  constexpr std::string_view kSql =
      "DELETE FROM access_token WHERE user_id = ?1 AND display_name = ?2";
  return tx.execute(kSql, {user_id, display_name}) == 1;
}

std::optional<Found> find_by_token(db::Tx& tx, const Bytes& token_hash, int64_t now_ms) {
  constexpr std::string_view kSql =
      "SELECT t.id, t.display_name, t.role, t.scopes, t.created_ms, t.last_used_ms, t.expires_ms,"
      " a.id, n.name, a.fullname, a.email, a.is_admin, n.created_ms"
      " FROM access_token t JOIN account a ON a.id = t.user_id JOIN namespace n ON n.id = a.id"
      " WHERE t.token_hash = ?1 AND a.disabled = 0 AND (t.expires_ms IS NULL OR t.expires_ms > ?2)";
  const auto row = tx.query_one(kSql, {token_hash, now_ms});
  if (!row) return std::nullopt;
  Found found;
  Credential& credential = found.identity.credential;
  credential.id = row->get_text(0);
  credential.display_name = row->get_text(1);
  switch (parse_token_role(row->get_text(2)).value_or(TokenRole::kRead)) {
    case TokenRole::kRead:
      credential.kind = CredentialKind::kReadToken;
      break;
    case TokenRole::kWrite:
      credential.kind = CredentialKind::kWriteToken;
      break;
    case TokenRole::kFineGrained: {
      credential.kind = CredentialKind::kFineGrainedToken;
      TokenScopes scopes = scopes_of(row->get_optional_text(3));
      credential.can_read_gated_repos = scopes.can_read_gated_repos;
      credential.global_permissions = std::move(scopes.global_permissions);
      credential.scopes = std::move(scopes.scopes);
      break;
    }
  }
  credential.created_ms = row->get_int(4);
  found.last_used_ms = row->get_optional_int(5).value_or(0);
  credential.expires_ms = row->get_optional_int(6);
  read_user(*row, 7, found.identity);
  return found;
}

std::optional<Found> find_by_oauth_token(db::Tx& tx, const Bytes& token_hash, int64_t now_ms) {
  constexpr std::string_view kSql =
      "SELECT g.id, g.client_id, g.scope, t.created_ms, t.expires_ms,"
      " a.id, n.name, a.fullname, a.email, a.is_admin, n.created_ms"
      " FROM oauth_token t JOIN oauth_grant g ON g.id = t.grant_id"
      " JOIN account a ON a.id = g.user_id JOIN namespace n ON n.id = a.id"
      " WHERE t.token_hash = ?1 AND t.kind = 'access' AND t.expires_ms > ?2 AND a.disabled = 0";
  const auto row = tx.query_one(kSql, {token_hash, now_ms});
  if (!row) return std::nullopt;
  Found found;
  Credential& credential = found.identity.credential;
  credential.kind = CredentialKind::kOAuth;
  credential.id = row->get_text(0);
  credential.display_name = row->get_text(1);
  for (std::string_view scope : split(row->get_text(2), ' ')) {
    if (scope.empty()) continue;
    credential.global_permissions.emplace_back(scope);
    if (scope == "gated-repos") credential.can_read_gated_repos = true;
  }
  credential.created_ms = row->get_int(3);
  credential.expires_ms = row->get_int(4);
  read_user(*row, 5, found.identity);
  return found;
}

std::optional<Found> find_by_session(db::Tx& tx, const Bytes& token_hash, int64_t now_ms) {
  constexpr std::string_view kSql =
      "SELECT s.id, s.created_ms, s.last_used_ms, s.expires_ms,"
      " a.id, n.name, a.fullname, a.email, a.is_admin, n.created_ms"
      " FROM session s JOIN account a ON a.id = s.user_id JOIN namespace n ON n.id = a.id"
      " WHERE s.token_hash = ?1 AND s.expires_ms > ?2 AND a.disabled = 0";
  const auto row = tx.query_one(kSql, {token_hash, now_ms});
  if (!row) return std::nullopt;
  Found found;
  Credential& credential = found.identity.credential;
  credential.kind = CredentialKind::kSession;
  credential.id = row->get_text(0);
  credential.created_ms = row->get_int(1);
  found.last_used_ms = row->get_int(2);
  credential.expires_ms = row->get_int(3);
  credential.can_read_gated_repos = true;
  read_user(*row, 4, found.identity);
  return found;
}

void touch_token(db::Tx& tx, std::string_view id, int64_t now_ms) {
  constexpr std::string_view kSql = "UPDATE access_token SET last_used_ms = ?2 WHERE id = ?1";
  tx.execute(kSql, {id, now_ms});
}

void touch_session(db::Tx& tx, std::string_view id, int64_t now_ms, int64_t expires_ms) {
  constexpr std::string_view kSql =
      "UPDATE session SET last_used_ms = ?2, expires_ms = ?3 WHERE id = ?1";
  tx.execute(kSql, {id, now_ms, expires_ms});
}

void insert_session(db::Tx& tx, std::string_view user_id, const Bytes& token_hash, int64_t now_ms,
                    int64_t expires_ms) {
  constexpr std::string_view kSql =
      "INSERT INTO session (id, token_hash, user_id, created_ms, last_used_ms, expires_ms)"
      " VALUES (?1, ?2, ?3, ?4, ?4, ?5)";
  tx.execute(kSql, {new_object_id(), token_hash, user_id, now_ms, expires_ms});
}

void remove_session(db::Tx& tx, const Bytes& token_hash) {
  constexpr std::string_view kSql = "DELETE FROM session WHERE token_hash = ?1";
  tx.execute(kSql, {token_hash});
}

void remove_sessions_of(db::Tx& tx, std::string_view user_id) {
  constexpr std::string_view kSql = "DELETE FROM session WHERE user_id = ?1";
  tx.execute(kSql, {user_id});
}

namespace {

constexpr std::string_view kDeviceColumns =
    "SELECT user_code, client_id, scope, state, user_id, interval_ms, next_poll_ms, created_ms,"
    " expires_ms FROM device_login ";

std::optional<DeviceRow> device_of(const std::optional<db::Row>& row) {
  if (!row) return std::nullopt;
  return DeviceRow{.user_code = row->get_text(0),
                   .client_id = row->get_text(1),
                   .scope = row->get_text(2),
                   .state = row->get_text(3),
                   .user_id = row->get_optional_text(4),
                   .interval_ms = row->get_int(5),
                   .next_poll_ms = row->get_int(6),
                   .created_ms = row->get_int(7),
                   .expires_ms = row->get_int(8)};
}

}  // namespace

bool insert_device(db::Tx& tx, const Bytes& device_hash, const DeviceRow& row) {
  constexpr std::string_view kSql =
      "INSERT INTO device_login (device_hash, user_code, client_id, scope, state, interval_ms,"
      " next_poll_ms, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4, 'pending', ?5, ?6, ?7, ?8)"
      " ON CONFLICT (user_code) DO NOTHING";
  return tx.execute(kSql, {device_hash, row.user_code, row.client_id, row.scope, row.interval_ms,
                           row.next_poll_ms, row.created_ms, row.expires_ms}) == 1;
}

int64_t count_devices(db::Tx& tx) {
  constexpr std::string_view kSql = "SELECT count(*) FROM device_login";
  return tx.query_one(kSql)->get_int(0);
}

std::optional<DeviceRow> find_device(db::Tx& tx, const Bytes& device_hash) {
  static const std::string kSql = std::string(kDeviceColumns) + "WHERE device_hash = ?1";
  return device_of(tx.query_one(kSql, {device_hash}));
}

std::optional<DeviceRow> find_device_by_user_code(db::Tx& tx, std::string_view user_code) {
  static const std::string kSql = std::string(kDeviceColumns) + "WHERE user_code = ?1";
  return device_of(tx.query_one(kSql, {user_code}));
}

bool answer_device(db::Tx& tx, std::string_view user_code, std::string_view state,
                   std::string_view user_id, int64_t now_ms) {
  constexpr std::string_view kSql =
      "UPDATE device_login SET state = ?2, user_id = ?3"
      " WHERE user_code = ?1 AND state = 'pending' AND expires_ms > ?4";
  return tx.execute(kSql, {user_code, state, user_id, now_ms}) == 1;
}

void set_device_poll(db::Tx& tx, const Bytes& device_hash, int64_t interval_ms,
                     int64_t next_poll_ms) {
  constexpr std::string_view kSql =
      "UPDATE device_login SET interval_ms = ?2, next_poll_ms = ?3 WHERE device_hash = ?1";
  tx.execute(kSql, {device_hash, interval_ms, next_poll_ms});
}

void remove_device(db::Tx& tx, const Bytes& device_hash) {
  constexpr std::string_view kSql = "DELETE FROM device_login WHERE device_hash = ?1";
  tx.execute(kSql, {device_hash});
}

void insert_grant(db::Tx& tx, const Grant& grant, std::string_view user_id, int64_t now_ms) {
  constexpr std::string_view kSql =
      "INSERT INTO oauth_grant (id, user_id, client_id, scope, created_ms)"
      " VALUES (?1, ?2, ?3, ?4, ?5)";
  tx.execute(kSql, {grant.id, user_id, grant.client_id, grant.scope, now_ms});
}

void insert_oauth_token(db::Tx& tx, std::string_view grant_id, const NewOAuthToken& token,
                        int64_t now_ms) {
  constexpr std::string_view kSql =
      "INSERT INTO oauth_token (token_hash, kind, grant_id, created_ms, expires_ms)"
      " VALUES (?1, ?2, ?3, ?4, ?5)";
  tx.execute(kSql, {token.hash, token.kind, grant_id, now_ms, token.expires_ms});
}

std::optional<Grant> find_grant_by_refresh(db::Tx& tx, const Bytes& token_hash, int64_t now_ms) {
  constexpr std::string_view kSql =
      "SELECT g.id, g.client_id, g.scope FROM oauth_token t JOIN oauth_grant g ON g.id = t.grant_id"
      " JOIN account a ON a.id = g.user_id"
      " WHERE t.token_hash = ?1 AND t.kind = 'refresh' AND t.expires_ms > ?2 AND a.disabled = 0";
  const auto row = tx.query_one(kSql, {token_hash, now_ms});
  if (!row) return std::nullopt;
  return Grant{.id = row->get_text(0), .client_id = row->get_text(1), .scope = row->get_text(2)};
}

std::vector<SignIn> list_sign_ins(db::Tx& tx, std::string_view user_id) {
  constexpr std::string_view kSql =
      "SELECT id, client_id, scope, created_ms FROM oauth_grant WHERE user_id = ?1"
      " ORDER BY created_ms DESC, id";
  std::vector<SignIn> sign_ins;
  for (const db::Row& row : tx.query(kSql, {user_id})) {
    sign_ins.push_back({.id = row.get_text(0),
                        .client_id = row.get_text(1),
                        .scope = row.get_text(2),
                        .created_ms = row.get_int(3)});
  }
  return sign_ins;
}

bool remove_grant(db::Tx& tx, std::string_view user_id, std::string_view grant_id) {
  constexpr std::string_view kSql = "DELETE FROM oauth_grant WHERE id = ?1 AND user_id = ?2";
  return tx.execute(kSql, {grant_id, user_id}) == 1;
}

void shorten_oauth_token(db::Tx& tx, const Bytes& token_hash, int64_t expires_ms) {
  constexpr std::string_view kSql =
      "UPDATE oauth_token SET expires_ms = ?2 WHERE token_hash = ?1 AND expires_ms > ?2";
  tx.execute(kSql, {token_hash, expires_ms});
}

void replace_setup_link(db::Tx& tx, const Bytes& token_hash, int64_t now_ms) {
  constexpr std::string_view kDelete = "DELETE FROM setup_link";
  constexpr std::string_view kInsert =
      "INSERT INTO setup_link (token_hash, created_ms) VALUES (?1, ?2)";
  tx.execute(kDelete);
  tx.execute(kInsert, {token_hash, now_ms});
}

bool has_setup_link(db::Tx& tx, const Bytes& token_hash) {
  constexpr std::string_view kSql = "SELECT created_ms FROM setup_link WHERE token_hash = ?1";
  return tx.query_one(kSql, {token_hash}).has_value();
}

bool remove_setup_link(db::Tx& tx, const Bytes& token_hash) {
  constexpr std::string_view kSql = "DELETE FROM setup_link WHERE token_hash = ?1";
  return tx.execute(kSql, {token_hash}) == 1;
}

void remove_expired(db::Tx& tx, int64_t now_ms) {
  constexpr std::string_view kSessions = "DELETE FROM session WHERE expires_ms <= ?1";
  constexpr std::string_view kDevices = "DELETE FROM device_login WHERE expires_ms <= ?1";
  constexpr std::string_view kOAuthTokens = "DELETE FROM oauth_token WHERE expires_ms <= ?1";
  tx.execute(kSessions, {now_ms});
  // An expired code is kept as long again: who still polls learns that it expired.
  tx.execute(kDevices, {now_ms - kDeviceCodeMs});
  // A grant goes with the last of its tokens.
  constexpr std::string_view kGrantsOfExpired =
      "SELECT DISTINCT grant_id FROM oauth_token WHERE expires_ms <= ?1";
  constexpr std::string_view kGrants =
      "DELETE FROM oauth_grant WHERE id IN {{list ?1}} AND NOT EXISTS"
      " (SELECT 1 FROM oauth_token t WHERE t.grant_id = oauth_grant.id)";
  std::vector<std::string> grant_ids;
  for (const db::Row& row : tx.query(kGrantsOfExpired, {now_ms})) {
    grant_ids.push_back(row.get_text(0));
  }
  if (grant_ids.empty()) return;
  tx.execute(kOAuthTokens, {now_ms});
  tx.execute(kGrants, {db::in_list(grant_ids)});
}

}  // namespace hearth::hub::accounts_store
