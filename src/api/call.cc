#include <algorithm>

#include "api/api.h"
#include "base/address.h"
#include "base/text.h"

namespace hearth::api {

void Call::set_route(const Route& row) {
  route = &row;
  query.keep_if([&](std::string_view name) {
    return std::ranges::find(row.query, name, &QueryParameter::name) != row.query.end();
  });
}

const hub::Repo& Call::repo() const {
  HEARTH_ASSERT(repo_.has_value(), "only routes with {repo} have a repository");
  return *repo_;
}

const std::string& Call::param(std::string_view name) const {
  auto it = params.find(name);
  HEARTH_ASSERT(it != params.end(), "the pattern has no such parameter");
  return it->second;
}

hub::Caller Call::caller() const {
  HEARTH_ASSERT(identity.has_value(), "only routes for someone signed in have a caller");
  return {.identity = *identity, .remote_address = remote_address()};
}

std::string_view Call::forwarded(std::string_view name) const {
  if (!services.trust_forwarded) return {};
  // Some proxies add to the client's line, others write a line of their own behind it (HAProxy).
  auto lines = head.headers.get_all(name);
  if (lines.empty()) return {};
  return trim(lines.back().substr(lines.back().rfind(',') + 1));
}

std::string Call::remote_address() const {
  std::string_view address = forwarded("X-Forwarded-For");
  return is_address(address) ? std::string(address) : head.remote_address;
}

std::string Call::public_url() const {
  if (!services.public_url.empty()) return services.public_url;
  std::string scheme = head.tls ? "https" : "http";
  std::string host = head.host;
  if (auto proto = forwarded("X-Forwarded-Proto"); proto == "https" || proto == "http") {
    scheme = proto;
  }
  if (auto proxied = forwarded("X-Forwarded-Host"); !proxied.empty()) host = proxied;
  // The Host header goes into links that clients follow: only what a host name may hold.
  for (char c : host) {
    bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
    if (!fine) throw Error(ErrorKind::kInvalid, "The Host header is not a host name.");
  }
  if (host.empty()) host = "localhost:" + std::to_string(head.local_port);
  return scheme + "://" + host;
}

std::string Call::repo_url(const hub::Repo& repo) const {
  return public_url() + "/" + std::string(hub::url_prefix(repo.type)) + repo.repo_id.full();
}

std::string full_text(const Call& call, const Error& error) {
  bool knows = !call.has_repo() ||
               call.services.access->may(call.who(), call.repo(), hub::RepoAction::kWrite);
  return knows ? error.message() + " " + error.detail() : error.message();
}

void add_next_link(http::Response& response, const Call& call, std::string_view cursor) {
  Query query = call.query;
  query.set("cursor", std::string(cursor));
  response.headers.add("Link", "<" + call.public_url() + call.head.raw_path + "?" +
                                   query.to_string() + ">; rel=\"next\"");
}

}  // namespace hearth::api
