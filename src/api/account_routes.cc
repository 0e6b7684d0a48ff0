// Who the caller is, and what may be known of people and organisations.

#include <algorithm>
#include <array>

#include "api/api.h"
#include "base/hash.h"
#include "base/text.h"
#include "hub/accounts.h"
#include "hub/accounts_json.h"
#include "hub/ledger.h"
#include "hub/listing.h"
#include "hub/repositories.h"

namespace hearth::api {
namespace {

constexpr int64_t kMembersPage = 500;

std::string avatar_url(const Call& call, std::string_view name) {
  return call.url("/avatars/" + std::string(name) + ".svg");
}

json::object organisation_of(const Call& call, const hub::Membership& membership) {
  json::object org;
  org["type"] = "org";
  org["id"] = membership.org_id;
  org["name"] = membership.org_name;
  org["fullname"] = membership.org_fullname;
  org["email"] = nullptr;
  org["canPay"] = false;
  org["periodEnd"] = nullptr;
  org["avatarUrl"] = avatar_url(call, membership.org_name);
  org["roleInOrg"] = hub::to_string(membership.role);
  org["isEnterprise"] = false;
  return org;
}

/// How the caller proved who they are; clients store a token under its displayName.
json::object auth_of(const hub::Credential& credential) {
  json::object auth;
  std::string_view role;
  switch (credential.kind) {
    case hub::CredentialKind::kSession:
      auth["type"] = "session";
      if (credential.expires_ms) auth["expiresAt"] = iso8601_ms(*credential.expires_ms);
      return auth;
    case hub::CredentialKind::kOAuth:
      auth["type"] = "oauth";
      if (credential.expires_ms) auth["expiresAt"] = iso8601_ms(*credential.expires_ms);
      return auth;
    case hub::CredentialKind::kReadToken:
      role = hub::to_string(hub::TokenRole::kRead);
      break;
    case hub::CredentialKind::kWriteToken:
      role = hub::to_string(hub::TokenRole::kWrite);
      break;
    case hub::CredentialKind::kFineGrainedToken:
      role = hub::to_string(hub::TokenRole::kFineGrained);
      break;
  }
  json::object token;
  token["displayName"] = credential.display_name;
  token["role"] = role;
  token["createdAt"] = iso8601_ms(credential.created_ms);
  if (credential.kind == hub::CredentialKind::kFineGrainedToken) {
    token["fineGrained"] =
        hub::to_json(hub::TokenScopes{.can_read_gated_repos = credential.can_read_gated_repos,
                                      .global_permissions = credential.global_permissions,
                                      .scopes = credential.scopes});
  }
  auth["type"] = "access_token";
  auth["accessToken"] = std::move(token);
  return auth;
}

/// A wrong credential gets the same words as none: the client turns them into "Invalid user token".
void check_signed_in(Call& call) {
  call.services.access->require_signed_in(call.who(), false);
}

http::Response whoami(Call& call) {
  const hub::Identity& who = *call.who();
  json::object answer;
  answer["type"] = "user";
  answer["id"] = who.user_id;
  answer["name"] = who.name;
  answer["fullname"] = who.fullname;
  if (who.email) {
    answer["email"] = *who.email;
    answer["emailVerified"] = false;
  }
  answer["canPay"] = false;
  answer["isPro"] = false;
  answer["periodEnd"] = nullptr;
  answer["avatarUrl"] = avatar_url(call, who.name);
  json::array orgs;
  for (const hub::Membership& membership : who.orgs) {
    orgs.emplace_back(organisation_of(call, membership));
  }
  answer["orgs"] = std::move(orgs);
  answer["auth"] = auth_of(who.credential);
  return reply(answer);
}

/// How many repositories of `author` the caller may see.
int64_t count_repos(const Call& call, hub::RepoType type, const std::string& author) {
  hub::ListRequest request;
  request.type = type;
  request.author = author;
  request.sort = hub::SortKey::kId;
  int64_t repo_count = 0;
  do {
    const hub::ListPage list = call.services.listing->list(request, call.who());
    repo_count += static_cast<int64_t>(list.items.size());
    request.cursor = list.next_cursor;
  } while (!request.cursor.empty());
  return repo_count;
}

void add_counts(const Call& call, const std::string& name, json::object& answer) {
  answer["numModels"] = count_repos(call, hub::RepoType::kModel, name);
  answer["numDatasets"] = count_repos(call, hub::RepoType::kDataset, name);
  answer["numSpaces"] = count_repos(call, hub::RepoType::kSpace, name);
}

http::Response user_overview(Call& call) {
  const auto user = call.services.accounts->find_user(call.param("user"));
  if (!user) throw Error(ErrorKind::kNotFound, "There is no user of that name.");
  json::object answer;
  answer["_id"] = user->id;
  answer["user"] = user->name;
  answer["fullname"] = user->fullname;
  answer["avatarUrl"] = avatar_url(call, user->name);
  answer["type"] = "user";
  answer["isPro"] = false;
  answer["createdAt"] = iso8601_ms(user->created_ms);
  add_counts(call, user->name, answer);
  json::array orgs;
  for (const hub::Membership& membership : call.services.accounts->list_memberships(user->id)) {
    json::object org;
    org["name"] = membership.org_name;
    org["fullname"] = membership.org_fullname;
    org["avatarUrl"] = avatar_url(call, membership.org_name);
    orgs.emplace_back(std::move(org));
  }
  answer["orgs"] = std::move(orgs);
  return reply(answer);
}

http::Response organisation_overview(Call& call) {
  const auto org = call.services.accounts->find_organisation(call.param("org"));
  if (!org) throw Error(ErrorKind::kNotFound, "There is no organisation of that name.");
  json::object answer;
  answer["_id"] = org->id;
  answer["name"] = org->name;
  answer["fullname"] = org->fullname;
  answer["avatarUrl"] = avatar_url(call, org->name);
  answer["type"] = "org";
  answer["createdAt"] = iso8601_ms(org->created_ms);
  answer["numUsers"] = call.services.accounts->count_members(org->id);
  add_counts(call, org->name, answer);
  return reply(answer);
}

/// The name of the account or organisation in the path, as it writes itself.
std::string require_name(const Call& call, std::string_view param) {
  auto found = call.services.accounts->find_namespace(call.param(param));
  if (!found) {
    throw Error(ErrorKind::kNotFound, "There is no user or organisation of that name.");
  }
  return found->name;
}

/// Pages ask for JSON; an <img> gets the picture.
http::Response avatar_of(Call& call, std::string_view param) {
  std::string url = avatar_url(call, require_name(call, param));
  if (call.head.headers.get("Sec-Fetch-Dest") == "image") return http::Response::redirect(url, 302);
  return reply(json::object{{"avatarUrl", url}});
}

http::Response user_avatar(Call& call) {
  return avatar_of(call, "user");
}

http::Response organisation_avatar(Call& call) {
  return avatar_of(call, "org");
}

http::Response any_avatar(Call& call) {
  return avatar_of(call, "name");
}

http::Response members(Call& call) {
  const std::string cursor = call.query.get("cursor").value_or("");
  const auto list = call.services.accounts->list_members(call.param("org"), cursor, kMembersPage);
  json::array answer;
  for (const hub::Member& member : list) {
    json::object entry;
    entry["_id"] = member.user_id;
    entry["user"] = member.name;
    entry["fullname"] = member.fullname;
    entry["avatarUrl"] = avatar_url(call, member.name);
    entry["isPro"] = false;
    entry["type"] = "user";
    answer.emplace_back(std::move(entry));
  }
  http::Response response = reply(answer);
  if (list.size() == static_cast<size_t>(kMembersPage)) {
    add_next_link(response, call, list.back().name);
  }
  return response;
}

/// What the repositories of a namespace take up, those of the caller's sight. All in one page: a
/// namespace has some thousands at the most.
http::Response storage_of(Call& call, const std::string& namespace_name) {
  struct Row {
    hub::Repo repo;
    uint64_t bytes;
  };
  std::vector<Row> rows;
  uint64_t total_bytes = 0;
  auto repos = call.services.repositories->list_of_namespace(namespace_name);
  std::map<std::string, uint64_t> used;
  if (!repos.empty()) used = call.services.ledger->used_bytes_of(repos.front().namespace_id);
  for (hub::Repo& repo : repos) {
    if (!call.services.access->may(call.who(), repo, hub::RepoAction::kSee)) continue;
    uint64_t bytes = used[repo.id];
    total_bytes += bytes;
    rows.push_back({std::move(repo), bytes});
  }
  // The largest first: that is what one looks for.
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.bytes > b.bytes; });
  json::array answer;
  for (const Row& row : rows) {
    double percent = total_bytes == 0 ? 0
                                      : 100.0 * static_cast<double>(row.bytes) /
                                            static_cast<double>(total_bytes);
    answer.push_back(json::object{{"id", row.repo.repo_id.full()},
                                  {"type", std::string(hub::to_string(row.repo.type))},
                                  {"updatedAt", iso8601_ms(row.repo.updated_ms)},
                                  {"visibility", row.repo.is_private ? "private" : "public"},
                                  {"storage", row.bytes},
                                  {"storagePercent", percent}});
  }
  return reply(answer);
}

http::Response own_storage(Call& call) {
  return storage_of(call, call.who()->name);
}

http::Response organisation_storage(Call& call) {
  auto org = call.services.accounts->find_organisation(call.param("org"));
  if (!org) throw Error(ErrorKind::kNotFound, "There is no organisation of that name.");
  const hub::Identity& who = *call.who();
  bool is_member = std::any_of(who.orgs.begin(), who.orgs.end(), [&](const auto& membership) {
    return membership.org_id == org->id;
  });
  if (!is_member && !who.is_admin) {
    throw Error(ErrorKind::kForbidden, "Only members of " + org->name + " see what it stores.");
  }
  return storage_of(call, org->name);
}

/// A letter on a colour, both taken from the name: the same for everyone, and nothing is stored. It
/// does not tell whether there is anyone of that name.
http::Response avatar(Call& call) {
  std::string_view name = call.param("name");
  if (!name.ends_with(".svg")) throw Error(ErrorKind::kNotFound, "There is no such picture.");
  name.remove_suffix(4);
  if (hub::why_bad_name(name)) throw Error(ErrorKind::kNotFound, "There is no such picture.");
  const std::string key = to_lower(name);
  const auto digest = from_hex(sha256_hex(key));
  const int hue = (digest->at(0) * 256 + digest->at(1)) % 360;
  const char letter =
      key[0] >= 'a' && key[0] <= 'z' ? static_cast<char>(key[0] - 'a' + 'A') : key[0];
  const std::string svg =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\">"
      "<rect width=\"64\" height=\"64\" fill=\"hsl(" +
      std::to_string(hue) +
      ",45%,45%)\"/>"
      "<text x=\"32\" y=\"43\" font-family=\"sans-serif\" font-size=\"32\" text-anchor=\"middle\" "
      "fill=\"#fff\">" +
      std::string(1, letter) + "</text></svg>";
  http::Response response = http::Response::bytes(svg, "image/svg+xml");
  response.headers.set("Content-Security-Policy", "default-src 'none'; sandbox");
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Cache-Control", "public, max-age=86400");
  return response;
}

constexpr std::array kCursorQuery = {kCursorParameter};

}  // namespace

std::span<const Route> account_routes() {
  static const Route rows[] = {
      {.method = "GET",
       .pattern = "/api/whoami-v2",
       .allow = Allow::kAnyone,
       .handler = whoami,
       .summary = "Who the caller is, and with which token. 401 without a valid credential.",
       .source = "huggingface_hub hf_api.py whoami, _login.py; @huggingface/hub who-am-i.ts",
       .answer = "Whoami",
       .check = check_signed_in,
       .any_credential = true},
      {.method = "GET",
       .pattern = "/api/users/{user}/overview",
       .allow = Allow::kAnyone,
       .handler = user_overview,
       .summary = "A person: names, organisations, and how many repositories the caller sees.",
       .source = "huggingface_hub hf_api.py get_user_overview",
       .answer = "UserOverview"},
      {.method = "GET",
       .pattern = "/api/organizations/{org}/overview",
       .allow = Allow::kAnyone,
       .handler = organisation_overview,
       .summary = "An organisation: names, and how many members and repositories.",
       .source = "huggingface_hub hf_api.py get_organization_overview",
       .answer = "OrganizationOverview"},
      {.method = "GET",
       .pattern = "/api/users/{user}/avatar",
       .allow = Allow::kAnyone,
       .handler = user_avatar,
       .summary = "Where a person's picture is.",
       .source = "operations.tsv, Retrieve user avatar",
       .answer = "Avatar"},
      {.method = "GET",
       .pattern = "/api/organizations/{org}/avatar",
       .allow = Allow::kAnyone,
       .handler = organisation_avatar,
       .summary = "Where an organisation's picture is.",
       .source = "operations.tsv, Get avatar",
       .answer = "Avatar"},
      {.method = "GET",
       .pattern = "/api/avatars/{name}",
       .allow = Allow::kAnyone,
       .handler = any_avatar,
       .summary = "Where the picture of either is.",
       .source = "operations.tsv, Get avatar",
       .answer = "Avatar"},
      {.method = "GET",
       .pattern = "/api/organizations/{org}/members",
       .allow = Allow::kAnyone,
       .handler = members,
       .summary = "The members of an organisation, in pages.",
       .source = "huggingface_hub hf_api.py list_organization_members",
       .query = kCursorQuery,
       .answer = "Users",
       .answer_headers = "Link?"},
      {.method = "GET",
       .pattern = "/api/settings/repositories",
       .allow = Allow::kSignedIn,
       .handler = own_storage,
       .summary = "The caller's repositories and what each takes up.",
       .source = "huggingface_hub hf_api.py list_user_repos",
       .answer = "StoredRepos"},
      {.method = "GET",
       .pattern = "/api/organizations/{org}/settings/repositories",
       .allow = Allow::kSignedIn,
       .handler = organisation_storage,
       .summary = "An organisation's repositories and what each takes up, for its members.",
       .source = "huggingface_hub hf_api.py list_user_repos",
       .answer = "StoredRepos"},
      {.method = "GET",
       .pattern = "/avatars/{name}",
       .allow = Allow::kAnyone,
       .handler = avatar,
       .summary = "A picture made from a name (NAME.svg).",
       .source = "avatarUrl of the answers above",
       .answer = "image/svg+xml",
       .rate = RateClass::kPages},
  };
  return rows;
}

}  // namespace hearth::api
