// docs/routes.md, from the rows themselves.

#include <array>
#include <utility>

#include "api/api.h"
#include "api/doc_text.h"
#include "api/rate_limit.h"
#include "http/limits.h"

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

std::string time_text(const Route& route) {
  constexpr http::Limits kServer;
  const int64_t wait_s =
      route.handler_wait_s > 0
          ? route.handler_wait_s
          : std::chrono::duration_cast<std::chrono::seconds>(kServer.handler_wait).count();
  return count_text(static_cast<uint64_t>(wait_s)) + " s";
}

}  // namespace

std::string count_text(uint64_t count) {
  std::string text = std::to_string(count);
  for (size_t i = text.size(); i > 3;) text.insert(i -= 3, ",");
  return text;
}

std::string size_text(uint64_t bytes) {
  if (bytes == 0) return "–";
  constexpr std::array<std::pair<int, std::string_view>, 4> kUnits = {
      {{40, " TiB"}, {30, " GiB"}, {20, " MiB"}, {10, " KiB"}}};
  for (const auto& [bits, name] : kUnits) {
    const uint64_t unit = uint64_t{1} << bits;
    if (bytes % unit == 0) return std::to_string(bytes / unit) + std::string(name);
  }
  return count_text(bytes) + " bytes";
}

std::string routes_markdown() {
  std::string out =
      "# Routes\n\n"
      "Made by `hearth routes` from the route table; do not edit. `{types}` is models, datasets "
      "or\n"
      "spaces; `{prefix}` is nothing, datasets or spaces; `{repo}` is namespace/name. GET routes\n"
      "answer HEAD too. Errors are JSON `{\"error\"}` with `X-Error-Code` and "
      "`X-Error-Message`.\n\n"
      "A body that is longer is 413, a request that takes longer once its body is there 504. The\n"
      "class is that of the quotas of requests ([operating.md](operating.md)); other limits:\n"
      "[limits.md](limits.md).\n\n"
      "| method | path | who may | body up to | takes at most | class | what it answers | read by "
      "|\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Route* route : built_routes()) {
    std::string host = route->host == VirtualHost::kViewer ? "datasets-server.HOST" : "";
    out += "| " + std::string(route->method) + " | `" + host + std::string(route->pattern) +
           "` | " + std::string(who_may(*route)) + " | " + size_text(route->body_bytes_max) +
           " | " + time_text(*route) + " | " + std::string(to_string(route->rate)) + " | " +
           std::string(route->summary) + " | " + std::string(route->source) + " |\n";
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
