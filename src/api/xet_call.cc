#include "api/xet_call.h"

#include <map>
#include <mutex>

#include "base/text.h"
#include "hub/accounts.h"
#include "hub/repositories.h"

namespace hearth::api {
namespace {

std::string_view bearer_of(const Call& call) {
  std::string_view header = call.head.headers.get(http::kAuthorization).value_or("");
  constexpr std::string_view kBearer = "bearer ";
  if (header.size() < kBearer.size() ||
      !equals_ignoring_case(header.substr(0, kBearer.size()), kBearer)) {
    return {};
  }
  return trim(header.substr(kBearer.size()));
}

xet::Claims admit_cas(Call& call) {
  int64_t now_s = call.services.clock->now_ms() / 1000;
  auto claims = signer_of(call).claims_of(bearer_of(call), now_s);
  if (!claims) {
    throw Error(ErrorKind::kUnauthenticated, "The Xet token is not valid, or has expired.");
  }
  call.identity.reset();
  if (!claims->credential.empty()) {
    auto hash = from_base64url(claims->credential);
    if (hash) call.identity = call.services.accounts->authenticate_hash(*hash);
    if (!call.identity) {
      throw Error(ErrorKind::kUnauthenticated,
                  "The token that this Xet token was made with is not valid any more.");
    }
  }
  auto repo = call.services.repositories->find_by_id(claims->repo_id);
  if (!repo) hub::Access::throw_repo_not_found(call.who());
  call.set_repo(std::move(*repo));
  return *claims;
}

/// The answers for one request; shared by copies of the predicate, which may outlive the call.
struct Readable {
  const hub::Access* access;
  hub::Repositories* repositories;
  std::optional<hub::Identity> identity;
  std::mutex mutex;
  std::map<std::string, bool> known;

  bool ask(const std::string& repo_id) {
    std::lock_guard lock(mutex);
    auto [at, is_new] = known.try_emplace(repo_id, false);
    if (is_new) {
      auto repo = repositories->find_by_id(repo_id);
      at->second =
          repo && access->may(identity ? &*identity : nullptr, *repo, hub::RepoAction::kReadFiles);
    }
    return at->second;
  }
};

}  // namespace

void check_cas_read(Call& call) {
  admit_cas(call);
  call.services.access->require(call.who(), call.repo(), hub::RepoAction::kReadFiles);
}

void check_cas_write(Call& call) {
  xet::Claims claims = admit_cas(call);
  if (claims.scope != xet::Scope::kWrite) {
    throw Error(ErrorKind::kForbidden, "This Xet token may only read.");
  }
  call.services.access->require(
      call.who(), call.repo(),
      claims.for_pull_request ? hub::RepoAction::kDiscuss : hub::RepoAction::kWrite);
}

xet::MerkleHash hash_param(const Call& call) {
  auto hash = xet::MerkleHash::from_text(call.param("hash"));
  if (!hash) throw Error(ErrorKind::kInvalid, "A Xet hash is 64 hex digits.");
  return *hash;
}

xet::Signer signer_of(const Call& call) {
  return xet::Signer(call.services.signing_key);
}

xet::Caller cas_caller(const Call& call) {
  return {.user_id = call.identity ? call.identity->user_id : "", .repo_id = call.repo().id};
}

xet::MayReadRepo may_read_of(const Call& call) {
  auto readable = std::make_shared<Readable>();
  readable->access = call.services.access;
  readable->repositories = call.services.repositories;
  readable->identity = call.identity;
  return [readable](const std::string& repo_id) { return readable->ask(repo_id); };
}

}  // namespace hearth::api
