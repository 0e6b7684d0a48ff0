#include "api/signed_link.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "hub/accounts.h"
#include "hub/repositories.h"

namespace hearth::api {
namespace {

constexpr std::string_view kSignatureKey = "&sig=";

std::string signature(const Services& services, std::string_view purpose, std::string_view path,
                      std::string_view query) {
  // A key of its own, so that no other kind of signature of the hub can stand in.
  auto key = hmac_sha256(as_bytes(services.signing_key), as_bytes("signed link"));
  std::string message;
  for (std::string_view part : {purpose, path, query}) message.append(part).append("\n");
  return to_base64url(hmac_sha256(key, as_bytes(message)));
}

}  // namespace

std::string sign_link(const Call& call, Link link) {
  link.query.set("repo", call.repo().id);
  if (call.identity) link.query.set("who", to_base64url(call.identity->credential.secret_hash));
  link.query.set("exp", std::to_string(call.services.clock->now_ms() / 1000 + link.lifetime_s));
  std::string query = link.query.to_string();
  return call.url(link.path + "?" + query + std::string(kSignatureKey) +
                  signature(call.services, link.purpose, link.path, query));
}

void check_link(Call& call, std::string_view purpose, hub::RepoAction action) {
  std::string_view query = call.head.raw_query;
  size_t at = query.rfind(kSignatureKey);
  bool ours = at != std::string_view::npos &&
              constant_time_equal(
                  query.substr(at + kSignatureKey.size()),
                  signature(call.services, purpose, call.head.raw_path, query.substr(0, at)));
  if (!ours) {
    throw Error(ErrorKind::kForbidden, "This link is not valid. Please ask for a new one.");
  }
  auto expires_s = call.query.number("exp");
  if (!expires_s || *expires_s < static_cast<uint64_t>(call.services.clock->now_ms() / 1000)) {
    throw Error(ErrorKind::kForbidden, "This link has expired. Please ask for a new one.");
  }
  call.identity.reset();
  if (auto who = call.query.get("who")) {
    auto hash = from_base64url(*who);
    if (hash) call.identity = call.services.accounts->authenticate_hash(*hash);
    if (!call.identity) {
      throw Error(ErrorKind::kForbidden,
                  "The token that this link was made with is not valid any more.");
    }
  }
  auto repo = call.services.repositories->find_by_id(call.query.get("repo").value_or(""));
  if (!repo) hub::Access::throw_repo_not_found(call.who());
  call.services.access->require(call.who(), *repo, action);
  call.set_repo(std::move(*repo));
}

}  // namespace hearth::api
