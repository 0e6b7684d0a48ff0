// docs/routes.md, from the rows themselves.

#include "api/api.h"

namespace hearth::api {
namespace {

std::string_view who_may(const Route& route) {
  switch (route.allow) {
    case Allow::kAnyone:
      return "anyone";
    case Allow::kSignedIn:
      return "signed in";
    case Allow::kSignedInWrite:
      return "signed in, with a token that writes";
    case Allow::kRepoSee:
      return "who sees the repository";
    case Allow::kRepoFiles:
      return "who may read its files";
    case Allow::kRepoDiscuss:
      return "signed in, who sees the repository";
    case Allow::kRepoWrite:
      return "who may write to it";
    case Allow::kRepoAdminister:
      return "who administers it";
    case Allow::kAdministrator:
      return "administrators";
    case Allow::kScraper:
      return "administrators, and the metrics token";
    case Allow::kSignedUrl:
      return "who has the signed URL";
    case Allow::kCustom:
      return route.own_credential ? "a Xet token" : "decided by the request";
  }
  return "";
}

std::string size_text(uint64_t bytes) {
  if (bytes == 0) return "–";
  if (bytes >= uint64_t{1} << 30) return std::to_string(bytes >> 30) + " GiB";
  if (bytes >= 1u << 20) return std::to_string(bytes >> 20) + " MiB";
  return std::to_string(bytes >> 10) + " KiB";
}

}  // namespace

std::string routes_markdown() {
  std::string out =
      "# Routes\n\n"
      "Made by `hearth routes` from the route table; do not edit. `{types}` is models, datasets "
      "or\n"
      "spaces; `{prefix}` is nothing, datasets or spaces; `{repo}` is namespace/name. GET routes\n"
      "answer HEAD too. Errors are JSON `{\"error\"}` with `X-Error-Code` and "
      "`X-Error-Message`.\n\n"
      "| method | path | who may | body up to | what it answers | read by |\n"
      "| --- | --- | --- | --- | --- | --- |\n";
  for (const Route* route : built_routes()) {
    std::string host = route->host == VirtualHost::kViewer ? "datasets-server.HOST" : "";
    out += "| " + std::string(route->method) + " | `" + host + std::string(route->pattern) +
           "` | " + std::string(who_may(*route)) + " | " + size_text(route->body_bytes_max) +
           " | " + std::string(route->summary) + " | " + std::string(route->source) + " |\n";
  }
  out +=
      "\n## Not built\n\n"
      "These documented operations answer 501 with `X-Error-Code: NotImplemented`.\n\n"
      "| method | path | operation |\n| --- | --- | --- |\n";
  for (const Route& route : operation_routes()) {
    out += "| " + std::string(route.method) + " | `" + std::string(route.pattern) + "` | " +
           std::string(route.summary) + " |\n";
  }
  return out;
}

}  // namespace hearth::api
