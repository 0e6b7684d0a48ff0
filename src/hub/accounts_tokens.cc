// Access tokens, sessions, and who is asking.

#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "hub/accounts.h"
#include "hub/accounts_password.h"
#include "hub/accounts_secret.h"
#include "hub/accounts_store.h"
#include "hub/limits.h"
#include "hub/wrong_passwords.h"

namespace hearth::hub {
namespace {

namespace store = accounts_store;

constexpr std::string_view kTokenPrefix = "hf_";  // @huggingface/hub refuses all others.
constexpr std::string_view kOAuthPrefix = "hf_oauth_";
constexpr size_t kTokenRandomLength = 37;  // 220 bits; the hosted hub's have 34.
constexpr size_t kTokenValueMin = 20;
constexpr size_t kTokenValueMax = 200;

constexpr int64_t kTouchEveryMs = 5 * 60 * 1000;  // "Last used" is exact to this.

void check_display_name(std::string_view name) {
  if (name.empty() || name.size() > kTokenNameBytesMax || !is_utf8(name) ||
      has_control_characters(name)) {
    throw Error(ErrorKind::kInvalid, "A token's name is one line of 1 to 100 bytes.");
  }
}

void check_token_value(std::string_view value) {
  const std::string_view rest = value.substr(std::min(value.size(), kTokenPrefix.size()));
  const bool plain = std::ranges::all_of(rest, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-';
  });
  if (!value.starts_with(kTokenPrefix) || value.starts_with(kOAuthPrefix) ||
      rest.size() < kTokenValueMin || !plain || value.size() > kTokenValueMax) {
    throw Error(
        ErrorKind::kInvalid,
        "A token is 'hf_' and then at least 20 letters and digits, at most 200 characters in "
        "all; 'hf_oauth_' is kept for sign-ins.");
  }
}

/// Entities that were given by name get their id; ids are what decides later.
void resolve_entities(db::Tx& tx, TokenScopes& scopes) {
  for (TokenScope& scope : scopes.scopes) {
    if (!scope.entity_id.empty()) continue;
    const bool org = scope.entity_type == "org";
    if (org || scope.entity_type == "user") {
      const auto found = Accounts::find_namespace(tx, scope.entity_name);
      if (found && (found->kind == NamespaceKind::kOrg) == org) {
        scope.entity_id = found->id;
        scope.entity_name = found->name;
        continue;
      }
    }
    throw Error(ErrorKind::kNotFound, "A scope of the token names something that is not there.");
  }
}

/// What the credential's row does not say.
std::optional<store::Found> with_rest(db::Tx& tx, std::optional<store::Found> row,
                                      const Bytes& hash) {
  if (!row) return row;
  row->identity.orgs = store::list_memberships(tx, row->identity.user_id);
  row->identity.credential.secret_hash = hash;
  return row;
}

}  // namespace

Bytes secret_hash(std::string_view secret) {
  Sha256 hash;
  hash.update(secret);
  const auto digest = hash.finish();
  return {digest.begin(), digest.end()};
}

IssuedToken Accounts::create_token(const Actor& by, std::string_view user_name,
                                   const NewAccessToken& wanted) {
  check_display_name(wanted.display_name);
  if (!wanted.value.empty()) check_token_value(wanted.value);
  if (wanted.scopes.scopes.size() > kTokenScopesMax ||
      wanted.scopes.global_permissions.size() > kTokenScopesMax) {
    throw Error(ErrorKind::kInvalid, "A token has at most 200 scopes.");
  }
  if (wanted.expires_ms && *wanted.expires_ms <= clock_.now_ms()) {
    throw Error(ErrorKind::kInvalid, "The token would have expired already.");
  }
  const std::string value =
      wanted.value.empty() ? std::string(kTokenPrefix) + random_alphanumeric(kTokenRandomLength)
                           : wanted.value;
  try {
    return database_.write([&](db::Tx& tx) {
      const auto user = store::find_user(tx, to_lower(user_name));
      if (!user) throw Error(ErrorKind::kNotFound, "There is no user of that name.");
      if (store::list_tokens(tx, user->id).size() >= kTokensOfOneUserMax) {
        throw Error(ErrorKind::kConflict, "This user has too many tokens: revoke some first.");
      }
      AccessToken token{.id = new_object_id(),
                        .display_name = wanted.display_name,
                        .role = wanted.role,
                        .scopes = {},
                        .created_ms = clock_.now_ms(),
                        .last_used_ms = std::nullopt,
                        .expires_ms = wanted.expires_ms};
      if (wanted.role == TokenRole::kFineGrained) {
        token.scopes = wanted.scopes;
        resolve_entities(tx, token.scopes);
      }
      if (!store::insert_token(tx, user->id, token, secret_hash(value))) {
        throw Error(ErrorKind::kConflict,
                    "This user has a token of that name: revoke it first, or take another name.");
      }
      audit_.append(tx, by, "token.create", user->name,
                    {{"name", token.display_name}, {"role", to_string(token.role)}});
      return IssuedToken{.token = std::move(token), .value = value};
    });
  } catch (const Error& error) {
    if (!db::is_unique_violation(error)) throw;
    // The hash is the only other unique column.
    throw Error(ErrorKind::kConflict, "This token is in use already.");
  }
}

std::vector<AccessToken> Accounts::list_tokens(std::string_view user_name) {
  return database_.read([&](db::Tx& tx) {
    const auto user = store::find_user(tx, to_lower(user_name));
    if (!user) throw Error(ErrorKind::kNotFound, "There is no user of that name.");
    return store::list_tokens(tx, user->id);
  });
}

void Accounts::revoke_token(const Actor& by, std::string_view user_name,
                            std::string_view display_name) {
  database_.write([&](db::Tx& tx) {
    const auto user = store::find_user(tx, to_lower(user_name));
    if (!user) throw Error(ErrorKind::kNotFound, "There is no user of that name.");
    if (!store::remove_token(tx, user->id, display_name)) {
      throw Error(ErrorKind::kNotFound, "This user has no token of that name.");
    }
    audit_.append(tx, by, "token.revoke", user->name, {{"name", display_name}});
  });
}

std::optional<Identity> Accounts::authenticate_token(std::string_view token) {
  if (!token.starts_with(kTokenPrefix) || token.size() > kTokenValueMax) return std::nullopt;
  const bool oauth = token.starts_with(kOAuthPrefix);
  const Bytes hash = secret_hash(token);
  const int64_t now_ms = clock_.now_ms();
  auto found = database_.read([&](db::Tx& tx) {
    auto row = oauth ? store::find_by_oauth_token(tx, hash, now_ms)
                     : store::find_by_token(tx, hash, now_ms);
    return with_rest(tx, std::move(row), hash);
  });
  if (!found) return std::nullopt;
  if (!oauth && now_ms - found->last_used_ms >= kTouchEveryMs) {
    try {
      database_.write(
          [&](db::Tx& tx) { store::touch_token(tx, found->identity.credential.id, now_ms); });
    } catch (const Error& error) {
      // Who asks is known all the same; the note can wait for the next request.
      log_warning("Could not note the use of a token: {}", error.what());
    }
  }
  return std::move(found->identity);
}

std::optional<Identity> Accounts::authenticate_session(std::string_view value) {
  if (value.empty() || value.size() > kTokenValueMax) return std::nullopt;
  const Bytes hash = secret_hash(value);
  const int64_t now_ms = clock_.now_ms();
  auto found = database_.read(
      [&](db::Tx& tx) { return with_rest(tx, store::find_by_session(tx, hash, now_ms), hash); });
  if (!found) return std::nullopt;
  if (now_ms - found->last_used_ms >= kTouchEveryMs) {
    try {
      database_.write([&](db::Tx& tx) {
        store::touch_session(tx, found->identity.credential.id, now_ms, now_ms + kSessionMs);
      });
    } catch (const Error& error) {
      log_warning("Could not note the use of a session: {}", error.what());
    }
  }
  return std::move(found->identity);
}

std::optional<Identity> Accounts::authenticate_hash(const Bytes& hash) {
  const int64_t now_ms = clock_.now_ms();
  auto found = database_.read([&](db::Tx& tx) {
    auto row = store::find_by_token(tx, hash, now_ms);
    if (!row) row = store::find_by_oauth_token(tx, hash, now_ms);
    if (!row) row = store::find_by_session(tx, hash, now_ms);
    return with_rest(tx, std::move(row), hash);
  });
  if (!found) return std::nullopt;
  return std::move(found->identity);
}

IssuedSession Accounts::sign_in(std::string_view name, std::string_view password,
                                std::string_view remote_address) {
  const std::string name_key =
      is_utf8(name) && name.find('\0') == std::string_view::npos ? to_lower(name) : std::string();
  const auto account = database_.write([&](db::Tx& tx) {
    begin_password_try(tx, name_key, remote_address, clock_.now_ms());
    return store::find_password(tx, name_key);
  });
  const bool right = verify_password(password, account ? account->hash : std::string());
  if (!right || account->disabled) {
    throw Error(ErrorKind::kUnauthenticated, "Invalid username or password.");
  }
  const std::string value = random_alphanumeric(43);
  const int64_t now_ms = clock_.now_ms();
  database_.write([&](db::Tx& tx) {
    end_password_try(tx, name_key, remote_address, now_ms);
    store::insert_session(tx, account->user_id, secret_hash(value), now_ms, now_ms + kSessionMs);
    const auto user = store::find_user_by_id(tx, account->user_id);
    const Actor by{.user_id = account->user_id,
                   .name = user ? user->name : std::string(name),
                   .remote_address = std::string(remote_address)};
    audit_.append(tx, by, "session.create", by.name);
  });
  return {.value = value, .expires_ms = now_ms + kSessionMs};
}

void Accounts::sign_out(std::string_view session_value) {
  const Bytes hash = secret_hash(session_value);
  database_.write([&](db::Tx& tx) { store::remove_session(tx, hash); });
}

}  // namespace hearth::hub
