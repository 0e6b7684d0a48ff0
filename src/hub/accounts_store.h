#pragma once
// The tables of accounts, one function a statement (private to hub/accounts).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "db/db.h"
#include "hub/accounts.h"

namespace hearth::hub::accounts_store {

// --- Names, people, organisations ---
std::optional<Namespace> find_namespace(db::Tx& tx, std::string_view name_key);
/// False when the name is taken.
bool insert_namespace(db::Tx& tx, const Namespace& entry, int64_t now_ms);
void insert_user(db::Tx& tx, const User& user, const std::optional<std::string>& password_hash,
                 int64_t now_ms);
std::optional<User> find_user(db::Tx& tx, std::string_view name_key);
std::optional<User> find_user_by_id(db::Tx& tx, std::string_view id);
std::vector<User> list_users(db::Tx& tx);
bool has_administrator(db::Tx& tx);
int64_t count_enabled_administrators(db::Tx& tx);
void set_password_hash(db::Tx& tx, std::string_view user_id, std::string_view hash, int64_t now_ms);
void set_disabled(db::Tx& tx, std::string_view user_id, bool disabled, int64_t now_ms);
void set_admin(db::Tx& tx, std::string_view user_id, bool is_admin, int64_t now_ms);

struct PasswordRow {
  std::string user_id;
  std::string hash;  // Empty: no password.
  bool disabled = false;
};
std::optional<PasswordRow> find_password(db::Tx& tx, std::string_view name_key);

void insert_organisation(db::Tx& tx, const Organisation& organisation);
std::optional<Organisation> find_organisation(db::Tx& tx, std::string_view name_key);
std::vector<Organisation> list_organisations(db::Tx& tx);
void set_member(db::Tx& tx, std::string_view org_id, std::string_view user_id, OrgRole role,
                int64_t now_ms);
std::optional<OrgRole> find_role(db::Tx& tx, std::string_view org_id, std::string_view user_id);
bool remove_member(db::Tx& tx, std::string_view org_id, std::string_view user_id);
int64_t count_members(db::Tx& tx, std::string_view org_id);
int64_t count_org_admins(db::Tx& tx, std::string_view org_id);
std::vector<Member> list_members(db::Tx& tx, std::string_view org_id, std::string_view after_key,
                                 int64_t limit);
std::vector<Membership> list_memberships(db::Tx& tx, std::string_view user_id);

// --- Access tokens and sessions ---
/// False when the user has one of that name.
bool insert_token(db::Tx& tx, std::string_view user_id, const AccessToken& token,
                  const Bytes& token_hash);
std::vector<AccessToken> list_tokens(db::Tx& tx, std::string_view user_id);
bool remove_token(db::Tx& tx, std::string_view user_id, std::string_view display_name);

/// A credential's row with its user; `last_used_ms` is what the row says. Disabled users and
/// expired credentials are not found.
struct Found {
  Identity identity;  // Without organisations.
  int64_t last_used_ms = 0;
};
std::optional<Found> find_by_token(db::Tx& tx, const Bytes& token_hash, int64_t now_ms);
std::optional<Found> find_by_oauth_token(db::Tx& tx, const Bytes& token_hash, int64_t now_ms);
std::optional<Found> find_by_session(db::Tx& tx, const Bytes& token_hash, int64_t now_ms);
void touch_token(db::Tx& tx, std::string_view id, int64_t now_ms);
void touch_session(db::Tx& tx, std::string_view id, int64_t now_ms, int64_t expires_ms);
void insert_session(db::Tx& tx, std::string_view user_id, const Bytes& token_hash, int64_t now_ms,
                    int64_t expires_ms);
void remove_session(db::Tx& tx, const Bytes& token_hash);
void remove_sessions_of(db::Tx& tx, std::string_view user_id);

// --- Device login and OAuth ---
struct DeviceRow {
  std::string user_code;
  std::string client_id;
  std::string scope;
  std::string state;
  std::optional<std::string> user_id;
  int64_t interval_ms = 0;
  int64_t next_poll_ms = 0;
  int64_t created_ms = 0;
  int64_t expires_ms = 0;
};
/// False when the user code is in use.
bool insert_device(db::Tx& tx, const Bytes& device_hash, const DeviceRow& row);
int64_t count_devices(db::Tx& tx);
std::optional<DeviceRow> find_device(db::Tx& tx, const Bytes& device_hash);
std::optional<DeviceRow> find_device_by_user_code(db::Tx& tx, std::string_view user_code);
/// False unless the code still waits for its answer.
bool answer_device(db::Tx& tx, std::string_view user_code, std::string_view state,
                   std::string_view user_id, int64_t now_ms);
void set_device_poll(db::Tx& tx, const Bytes& device_hash, int64_t interval_ms,
                     int64_t next_poll_ms);
void remove_device(db::Tx& tx, const Bytes& device_hash);

struct Grant {
  std::string id;
  std::string client_id;
  std::string scope;
};
void insert_grant(db::Tx& tx, const Grant& grant, std::string_view user_id, int64_t now_ms);
struct NewOAuthToken {
  std::string_view kind;  // "access" or "refresh"
  Bytes hash;
  int64_t expires_ms = 0;
};
void insert_oauth_token(db::Tx& tx, std::string_view grant_id, const NewOAuthToken& token,
                        int64_t now_ms);
/// The grant of a refresh token that is valid.
std::optional<Grant> find_grant_by_refresh(db::Tx& tx, const Bytes& token_hash, int64_t now_ms);
std::vector<SignIn> list_sign_ins(db::Tx& tx, std::string_view user_id);
/// False when the user has none of that id. Its tokens go with it.
bool remove_grant(db::Tx& tx, std::string_view user_id, std::string_view grant_id);
void shorten_oauth_token(db::Tx& tx, const Bytes& token_hash, int64_t expires_ms);

// --- The first start ---
void replace_setup_link(db::Tx& tx, const Bytes& token_hash, int64_t now_ms);
bool has_setup_link(db::Tx& tx, const Bytes& token_hash);
/// False when it was not there.
bool remove_setup_link(db::Tx& tx, const Bytes& token_hash);

void remove_expired(db::Tx& tx, int64_t now_ms);

}  // namespace hearth::hub::accounts_store
