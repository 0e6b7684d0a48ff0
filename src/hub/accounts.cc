#include "hub/accounts.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "hub/accounts_password.h"
#include "hub/accounts_secret.h"
#include "hub/accounts_store.h"
#include "hub/limits.h"
#include "hub/repo.h"
#include "hub/wrong_passwords.h"

namespace hearth::hub {
namespace {

namespace store = accounts_store;

// First path segments that mean something else, on the hosted hub or here: nobody may take them.
constexpr auto kReservedNames = std::to_array<std::string_view>(
    {"about",       "account",       "admin",   "api",           "apps",       "assets",
     "auth",        "blobs",         "blog",    "buckets",       "chat",       "collections",
     "datasets",    "device",        "docs",    "download",      "endpoints",  "explore",
     "favicon.ico", "front",         "health",  "hearth",        "inference",  "jobs",
     "join",        "kernels",       "learn",   "login",         "logout",     "metrics",
     "models",      "new",           "none",    "notifications", "null",       "oauth",
     "oauth2",      "organizations", "orgs",    "papers",        "password",   "pricing",
     "privacy",     "raw",           "ready",   "resolve",       "robots.txt", "search",
     "settings",    "setup",         "signin",  "signup",        "spaces",     "static",
     "status",      "storage",       "system",  "tasks",         "terms",      "undefined",
     "users",       "xet",           "avatars", "lfs",           "viewer",     "cas",
     "v1"});

void check_name(std::string_view name, std::string_view what) {
  std::optional<std::string> why = why_bad_name(name);
  if (!why && name.size() > kNamespaceBytesMax) {
    why = "it has at most " + std::to_string(kNamespaceBytesMax) + " characters";
  }
  if (!why && std::ranges::find(kReservedNames, to_lower(name)) != kReservedNames.end()) {
    why = "the name is reserved";
  }
  if (why) {
    throw Error(ErrorKind::kInvalid,
                "This cannot be the name of " + std::string(what) + ": " + *why + ".");
  }
}

void check_fullname(std::string_view fullname) {
  if (fullname.size() > kFullnameBytesMax || !is_utf8(fullname) ||
      has_control_characters(fullname)) {
    throw Error(ErrorKind::kInvalid, "A full name is one line of at most 200 bytes.");
  }
}

void check_email(const std::optional<std::string>& email) {
  if (!email) return;
  const size_t at = email->find('@');
  if (email->size() > kEmailBytesMax || at == 0 || at == std::string::npos ||
      at + 1 == email->size() || !is_utf8(*email) || has_control_characters(*email) ||
      email->find(' ') != std::string::npos) {
    throw Error(ErrorKind::kInvalid, "That is not an e-mail address.");
  }
}

User require_user(db::Tx& tx, std::string_view name) {
  auto user = store::find_user(tx, to_lower(name));
  if (!user) throw Error(ErrorKind::kNotFound, "There is no user of that name.");
  return *user;
}

Organisation require_organisation(db::Tx& tx, std::string_view name) {
  auto organisation = store::find_organisation(tx, to_lower(name));
  if (!organisation) throw Error(ErrorKind::kNotFound, "There is no organisation of that name.");
  return *organisation;
}

void require_another_administrator(db::Tx& tx, const User& user) {
  if (user.is_admin && !user.disabled && store::count_enabled_administrators(tx) <= 1) {
    throw Error(ErrorKind::kConflict, "This is the last administrator: make another one first.");
  }
}

/// Checks and fills in what can be done before the transaction.
struct PreparedUser {
  PreparedUser(const NewUser& wanted, int64_t now_ms) {
    check_name(wanted.name, "a user");
    check_fullname(wanted.fullname);
    check_email(wanted.email);
    if (wanted.password) {
      check_new_password(*wanted.password);
      password_hash = hash_password(*wanted.password);
    }
    user = {.id = new_object_id(),
            .name = wanted.name,
            .fullname = wanted.fullname.empty() ? wanted.name : wanted.fullname,
            .email = wanted.email,
            .is_admin = wanted.is_admin,
            .disabled = false,
            .has_password = wanted.password.has_value(),
            .created_ms = now_ms};
  }

  void insert(db::Tx& tx) const {
    if (!store::insert_namespace(tx, {user.id, NamespaceKind::kUser, user.name}, user.created_ms)) {
      throw Error(ErrorKind::kConflict, "The name '" + user.name + "' is taken.");
    }
    store::insert_user(tx, user, password_hash, user.created_ms);
  }

  User user;
  std::optional<std::string> password_hash;
};

}  // namespace

std::string_view to_string(TokenRole role) {
  switch (role) {
    case TokenRole::kRead:
      return "read";
    case TokenRole::kWrite:
      return "write";
    case TokenRole::kFineGrained:
      return "fineGrained";
  }
  return "read";
}

std::optional<TokenRole> parse_token_role(std::string_view text) {
  if (text == "read") return TokenRole::kRead;
  if (text == "write") return TokenRole::kWrite;
  if (text == "fineGrained") return TokenRole::kFineGrained;
  return std::nullopt;
}

Accounts::Accounts(db::Database& database, const Clock& clock)
    : database_(database), clock_(clock), audit_(database, clock) {}

std::optional<Namespace> Accounts::find_namespace(std::string_view name) {
  return database_.read([&](db::Tx& tx) { return find_namespace(tx, name); });
}

std::optional<Namespace> Accounts::find_namespace(db::Tx& tx, std::string_view name) {
  if (why_bad_name(name)) return std::nullopt;
  return store::find_namespace(tx, to_lower(name));
}

User Accounts::create_user(const Actor& by, const NewUser& wanted) {
  const PreparedUser prepared(wanted, clock_.now_ms());
  database_.write([&](db::Tx& tx) {
    prepared.insert(tx);
    audit_.append(tx, by, "user.create", prepared.user.name, {{"admin", prepared.user.is_admin}});
  });
  return prepared.user;
}

std::optional<User> Accounts::find_user(std::string_view name) {
  if (why_bad_name(name)) return std::nullopt;
  return database_.read([&](db::Tx& tx) { return store::find_user(tx, to_lower(name)); });
}

std::optional<User> Accounts::find_user_by_id(std::string_view id) {
  return database_.read([&](db::Tx& tx) { return store::find_user_by_id(tx, id); });
}

std::vector<User> Accounts::list_users() {
  return database_.read([](db::Tx& tx) { return store::list_users(tx); });
}

void Accounts::set_password(const Actor& by, std::string_view name, std::string_view password) {
  check_new_password(password);
  const std::string hash = hash_password(password);
  database_.write([&](db::Tx& tx) {
    const User user = require_user(tx, name);
    store::set_password_hash(tx, user.id, hash, clock_.now_ms());
    store::remove_sessions_of(tx, user.id);
    forget_password_tries(tx, to_lower(user.name));
    audit_.append(tx, by, "user.password", user.name);
  });
}

void Accounts::set_disabled(const Actor& by, std::string_view name, bool disabled) {
  database_.write([&](db::Tx& tx) {
    const User user = require_user(tx, name);
    if (disabled) {
      require_another_administrator(tx, user);
      store::remove_sessions_of(tx, user.id);
    }
    store::set_disabled(tx, user.id, disabled, clock_.now_ms());
    audit_.append(tx, by, disabled ? "user.disable" : "user.enable", user.name);
  });
}

void Accounts::set_admin(const Actor& by, std::string_view name, bool is_admin) {
  database_.write([&](db::Tx& tx) {
    const User user = require_user(tx, name);
    if (!is_admin) require_another_administrator(tx, user);
    store::set_admin(tx, user.id, is_admin, clock_.now_ms());
    audit_.append(tx, by, "user.admin", user.name, {{"admin", is_admin}});
  });
}

Organisation Accounts::create_organisation(const Actor& by, const NewOrganisation& wanted) {
  check_name(wanted.name, "an organisation");
  check_fullname(wanted.fullname);
  const Organisation organisation = {
      .id = new_object_id(),
      .name = wanted.name,
      .fullname = wanted.fullname.empty() ? wanted.name : wanted.fullname,
      .email = std::nullopt,
      .created_ms = clock_.now_ms()};
  database_.write([&](db::Tx& tx) {
    const User owner = require_user(tx, wanted.owner);
    if (!store::insert_namespace(
            tx,
            {organisation.id, NamespaceKind::kOrg, organisation.name, wanted.private_by_default},
            organisation.created_ms)) {
      throw Error(ErrorKind::kConflict, "The name '" + organisation.name + "' is taken.");
    }
    store::insert_organisation(tx, organisation);
    store::set_member(tx, organisation.id, owner.id, OrgRole::kAdmin, organisation.created_ms);
    audit_.append(tx, by, "org.create", organisation.name, {{"owner", owner.name}});
  });
  return organisation;
}

std::optional<Organisation> Accounts::find_organisation(std::string_view name) {
  if (why_bad_name(name)) return std::nullopt;
  return database_.read([&](db::Tx& tx) { return store::find_organisation(tx, to_lower(name)); });
}

std::vector<Organisation> Accounts::list_organisations() {
  return database_.read([](db::Tx& tx) { return store::list_organisations(tx); });
}

void Accounts::set_member(const Actor& by, std::string_view org, std::string_view user,
                          OrgRole role) {
  database_.write([&](db::Tx& tx) {
    const Organisation organisation = require_organisation(tx, org);
    const User member = require_user(tx, user);
    if (role != OrgRole::kAdmin &&
        store::find_role(tx, organisation.id, member.id) == OrgRole::kAdmin &&
        store::count_org_admins(tx, organisation.id) <= 1) {
      throw Error(ErrorKind::kConflict,
                  "This is the organisation's last admin: name another one first.");
    }
    store::set_member(tx, organisation.id, member.id, role, clock_.now_ms());
    audit_.append(tx, by, "org.member.set", organisation.name,
                  {{"user", member.name}, {"role", to_string(role)}});
  });
}

void Accounts::remove_member(const Actor& by, std::string_view org, std::string_view user) {
  database_.write([&](db::Tx& tx) {
    const Organisation organisation = require_organisation(tx, org);
    const User member = require_user(tx, user);
    const auto role = store::find_role(tx, organisation.id, member.id);
    if (!role) throw Error(ErrorKind::kNotFound, "That user is not a member.");
    if (role == OrgRole::kAdmin && store::count_org_admins(tx, organisation.id) <= 1) {
      throw Error(ErrorKind::kConflict,
                  "This is the organisation's last admin: name another one first.");
    }
    store::remove_member(tx, organisation.id, member.id);
    audit_.append(tx, by, "org.member.remove", organisation.name, {{"user", member.name}});
  });
}

std::vector<Member> Accounts::list_members(std::string_view org, std::string_view after_name,
                                           int64_t limit) {
  return database_.read([&](db::Tx& tx) {
    const Organisation organisation = require_organisation(tx, org);
    return store::list_members(tx, organisation.id, to_lower(after_name), limit);
  });
}

int64_t Accounts::count_members(std::string_view org_id) {
  return database_.read([&](db::Tx& tx) { return store::count_members(tx, org_id); });
}

std::vector<Membership> Accounts::list_memberships(std::string_view user_id) {
  return database_.read([&](db::Tx& tx) { return store::list_memberships(tx, user_id); });
}

bool Accounts::has_administrator() {
  return database_.read([](db::Tx& tx) { return store::has_administrator(tx); });
}

bool Accounts::needs_setup() {
  if (set_up_.load(std::memory_order_relaxed)) return false;
  const bool set_up = has_administrator();
  if (set_up) set_up_.store(true, std::memory_order_relaxed);
  return !set_up;
}

std::string Accounts::create_setup_token() {
  const std::string token = random_alphanumeric(40);
  database_.write(
      [&](db::Tx& tx) { store::replace_setup_link(tx, secret_hash(token), clock_.now_ms()); });
  return token;
}

bool Accounts::is_setup_token(std::string_view token) {
  const Bytes hash = secret_hash(token);
  return database_.read(
      [&](db::Tx& tx) { return store::has_setup_link(tx, hash) && !store::has_administrator(tx); });
}

User Accounts::use_setup_token(std::string_view token, const NewUser& admin,
                               std::string_view remote_address) {
  NewUser wanted = admin;
  wanted.is_admin = true;
  const Bytes hash = secret_hash(token);
  const Error used(ErrorKind::kNotFound,
                   "This set-up link is not valid, or was used already. Start the server again for "
                   "a new one, or run 'hearth user add NAME --admin'.");
  if (!is_setup_token(token)) throw used;  // Before a password is hashed for a stranger.
  const PreparedUser prepared(wanted, clock_.now_ms());
  database_.write([&](db::Tx& tx) {
    if (store::has_administrator(tx) || !store::remove_setup_link(tx, hash)) throw used;
    prepared.insert(tx);
    audit_.append(tx, Actor::stranger(remote_address), "hub.setup", prepared.user.name);
  });
  return prepared.user;
}

void Accounts::remove_expired() {
  database_.write([this](db::Tx& tx) {
    store::remove_expired(tx, clock_.now_ms());
    remove_old_password_tries(tx, clock_.now_ms());
  });
}

}  // namespace hearth::hub
