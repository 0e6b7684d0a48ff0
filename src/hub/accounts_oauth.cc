// The device login of `hf auth login`: the program shows a code, a person who is signed in types it
// into a page and approves, the program polls until it gets its tokens. Source: RFC 8628 and 6749,
// as huggingface_hub 2.4.0 uses them.

#include <algorithm>
#include <array>
#include <variant>

#include "base/text.h"
#include "hub/accounts.h"
#include "hub/accounts_secret.h"
#include "hub/accounts_store.h"

namespace hearth::hub {
namespace {

namespace store = accounts_store;

constexpr std::string_view kAccessPrefix = "hf_oauth_";
constexpr std::string_view kRefreshPrefix = "hf_refresh_";
constexpr size_t kSecretLength = 43;

constexpr std::string_view kUserCodeLetters = "BCDFGHJKLMNPQRSTVWXZ";  // RFC 8628 6.1
constexpr size_t kUserCodeLength = 8;
constexpr int64_t kPollToleranceMs = 1'000;  // Answers travel; a client that waits is no pest.
constexpr int64_t kSlowDownMs = 5'000;       // RFC 8628 3.5
constexpr int64_t kDevicesMax = 10'000;      // Codes that wait; anyone may ask for one.
constexpr int64_t kRefreshOverlapMs = 60'000;
constexpr size_t kClientIdBytesMax = 200;

// What a sign-in may be given; hub-api 3.4. The command line asks for nothing and gets everything.
constexpr std::array<std::string_view, 18> kScopes = {
    "openid",        "profile",          "email",
    "read-billing",  "read-memberships", "read-repos",
    "gated-repos",   "contribute-repos", "write-repos",
    "manage-repos",  "read-collections", "write-collections",
    "inference-api", "read-endpoints",   "write-endpoints",
    "jobs",          "webhooks",         "write-discussions"};

std::string checked_scope(std::string_view wanted) {
  std::vector<std::string> scopes;
  for (std::string_view scope : split(trim(wanted), ' ')) {
    if (scope.empty()) continue;
    if (std::ranges::find(kScopes, scope) == kScopes.end()) {
      throw OAuthError("invalid_scope", "The scope holds a word that is not known here.");
    }
    if (std::ranges::find(scopes, scope) == scopes.end()) scopes.emplace_back(scope);
  }
  if (scopes.empty()) scopes.assign(kScopes.begin(), kScopes.end());
  return join(scopes, " ");
}

void check_client_id(std::string_view client_id) {
  if (client_id.empty() || client_id.size() > kClientIdBytesMax || !is_utf8(client_id) ||
      has_control_characters(client_id)) {
    throw OAuthError("invalid_client", "The client_id is missing or malformed.");
  }
}

std::string new_user_code() {
  std::string code;
  while (code.size() < kUserCodeLength) {
    for (const uint8_t byte : random_bytes(16)) {
      // 240 is the largest multiple of 20 in a byte: no letter is likelier than another.
      if (byte < 240 && code.size() < kUserCodeLength) code += kUserCodeLetters[byte % 20];
    }
  }
  return code;
}

std::string shown_user_code(std::string_view code) {
  return std::string(code.substr(0, 4)) + "-" + std::string(code.substr(4));
}

/// As someone may have typed it; empty when it cannot be a code.
std::string typed_user_code(std::string_view typed) {
  std::string code;
  for (char c : typed) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c >= 'A' && c <= 'Z') code += c;
    if (code.size() > kUserCodeLength) return {};
  }
  return code.size() == kUserCodeLength ? code : std::string();
}

/// Adds an access and a refresh token to a grant.
OAuthTokens issue(db::Tx& tx, const store::Grant& grant, int64_t now_ms) {
  OAuthTokens tokens{
      .access_token = std::string(kAccessPrefix) + random_alphanumeric(kSecretLength),
      .refresh_token = std::string(kRefreshPrefix) + random_alphanumeric(kSecretLength),
      .expires_in_s = kOAuthAccessMs / 1000,
      .scope = grant.scope};
  store::insert_oauth_token(tx, grant.id,
                            {.kind = "access",
                             .hash = secret_hash(tokens.access_token),
                             .expires_ms = now_ms + kOAuthAccessMs},
                            now_ms);
  store::insert_oauth_token(tx, grant.id,
                            {.kind = "refresh",
                             .hash = secret_hash(tokens.refresh_token),
                             .expires_ms = now_ms + kOAuthRefreshMs},
                            now_ms);
  return tokens;
}

/// Tokens, or OAuth's word for why there are none: the word is written down (a poll is counted),
/// so it cannot be thrown inside the transaction.
using Answer = std::variant<OAuthTokens, std::string>;

OAuthTokens tokens_or_throw(Answer answer) {
  if (auto* tokens = std::get_if<OAuthTokens>(&answer)) return std::move(*tokens);
  const std::string& error = std::get<std::string>(answer);
  std::string description;
  if (error == "authorization_pending") description = "The login was not approved yet.";
  if (error == "slow_down") description = "Wait longer between two requests.";
  if (error == "access_denied") description = "The login was denied.";
  if (error == "expired_token") description = "The code has expired: start the login again.";
  if (error == "invalid_grant") description = "This is not valid, or not any more: log in again.";
  throw OAuthError(error, description);
}

}  // namespace

std::span<const std::string_view> oauth_scopes() {
  return kScopes;
}

DeviceCode Accounts::start_device_login(std::string_view client_id, std::string_view scope) {
  check_client_id(client_id);
  const std::string granted = checked_scope(scope);
  const std::string device_code = random_alphanumeric(kSecretLength);
  const std::string user_code = database_.write([&](db::Tx& tx) {
    const int64_t now_ms = clock_.now_ms();
    if (store::count_devices(tx) >= kDevicesMax) store::remove_expired(tx, now_ms);
    if (store::count_devices(tx) >= kDevicesMax) {
      throw Error(ErrorKind::kRateLimited, "Too many logins are waiting. Try again in a minute.",
                  {.retry_after_s = 60});
    }
    while (true) {
      const std::string code = new_user_code();
      const store::DeviceRow row{.user_code = code,
                                 .client_id = std::string(client_id),
                                 .scope = granted,
                                 .state = "pending",
                                 .user_id = std::nullopt,
                                 .interval_ms = kDeviceIntervalMs,
                                 .next_poll_ms = now_ms,
                                 .created_ms = now_ms,
                                 .expires_ms = now_ms + kDeviceCodeMs};
      if (store::insert_device(tx, secret_hash(device_code), row)) return code;
    }
  });
  return {.device_code = device_code,
          .user_code = shown_user_code(user_code),
          .expires_in_s = kDeviceCodeMs / 1000,
          .interval_s = kDeviceIntervalMs / 1000};
}

std::optional<DeviceRequest> Accounts::find_device_request(std::string_view user_code) {
  const std::string code = typed_user_code(user_code);
  if (code.empty()) return std::nullopt;
  const auto row =
      database_.read([&](db::Tx& tx) { return store::find_device_by_user_code(tx, code); });
  if (!row || row->state != "pending" || row->expires_ms <= clock_.now_ms()) return std::nullopt;
  return DeviceRequest{.user_code = shown_user_code(row->user_code),
                       .client_id = row->client_id,
                       .created_ms = row->created_ms};
}

bool Accounts::answer_device_request(const Identity& by, std::string_view user_code, bool approve,
                                     std::string_view remote_address) {
  const std::string code = typed_user_code(user_code);
  if (code.empty()) return false;
  return database_.write([&](db::Tx& tx) {
    const auto row = store::find_device_by_user_code(tx, code);
    if (!row || !store::answer_device(tx, code, approve ? "approved" : "denied", by.user_id,
                                      clock_.now_ms())) {
      return false;
    }
    audit_.append(tx, Actor::of(by, remote_address), approve ? "device.approve" : "device.deny",
                  by.name, {{"client", row->client_id}});
    return true;
  });
}

OAuthTokens Accounts::poll_device_login(std::string_view device_code, std::string_view client_id) {
  const Bytes hash = secret_hash(device_code);
  return tokens_or_throw(database_.write([&](db::Tx& tx) -> Answer {
    const int64_t now_ms = clock_.now_ms();
    const auto row = store::find_device(tx, hash);
    if (!row || row->client_id != client_id) return "invalid_grant";
    if (row->expires_ms <= now_ms) return "expired_token";
    if (row->state == "denied" || (row->state == "approved" && !row->user_id)) {
      store::remove_device(tx, hash);
      return "access_denied";
    }
    if (row->state == "approved") {
      store::remove_device(tx, hash);
      const auto user = store::find_user_by_id(tx, *row->user_id);
      if (!user || user->disabled) return "access_denied";
      const store::Grant grant{
          .id = new_object_id(), .client_id = row->client_id, .scope = row->scope};
      store::insert_grant(tx, grant, user->id, now_ms);
      return issue(tx, grant, now_ms);
    }
    const bool too_soon = now_ms + kPollToleranceMs < row->next_poll_ms;
    const int64_t interval_ms = row->interval_ms + (too_soon ? kSlowDownMs : 0);
    store::set_device_poll(tx, hash, interval_ms, now_ms + interval_ms);
    return too_soon ? "slow_down" : "authorization_pending";
  }));
}

OAuthTokens Accounts::refresh_oauth(std::string_view refresh_token, std::string_view client_id) {
  const Bytes hash = secret_hash(refresh_token);
  return tokens_or_throw(database_.write([&](db::Tx& tx) -> Answer {
    const int64_t now_ms = clock_.now_ms();
    const auto grant = store::find_grant_by_refresh(tx, hash, now_ms);
    if (!grant || grant->client_id != client_id) return "invalid_grant";
    store::shorten_oauth_token(tx, hash, now_ms + kRefreshOverlapMs);
    return issue(tx, *grant, now_ms);
  }));
}

std::vector<SignIn> Accounts::list_sign_ins(std::string_view user_name) {
  return database_.read([&](db::Tx& tx) {
    const auto user = store::find_user(tx, to_lower(user_name));
    if (!user) throw Error(ErrorKind::kNotFound, "There is no user of that name.");
    return store::list_sign_ins(tx, user->id);
  });
}

void Accounts::end_sign_in(const Actor& by, std::string_view user_name,
                           std::string_view sign_in_id) {
  database_.write([&](db::Tx& tx) {
    const auto user = store::find_user(tx, to_lower(user_name));
    if (!user || !store::remove_grant(tx, user->id, sign_in_id)) {
      throw Error(ErrorKind::kNotFound, "This program is not logged in any more.");
    }
    audit_.append(tx, by, "device.end", user->name, {{"id", sign_in_id}});
  });
}

}  // namespace hearth::hub
