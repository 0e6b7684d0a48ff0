// Small things that every client asks, and the second host name.

#include <array>

#include "api/api.h"
#include "api/openapi.h"
#include "hub/accounts.h"
#include "metrics/metrics.h"

namespace hearth::api {
namespace {

http::Response health(Call& call) {
  // One read: a server that cannot reach its database is not healthy.
  call.services.accounts->has_administrator();
  return reply(json::object{{"status", "ok"}});
}

http::Response ready(Call& call) {
  std::vector<NotReady> reasons;
  if (call.services.readiness) reasons = call.services.readiness();
  if (reasons.empty()) return reply(json::object{{"status", "ready"}});
  std::string sentence;
  json::array list;
  for (const NotReady& reason : reasons) {
    sentence += (sentence.empty() ? "" : " ") + reason.message;
    list.push_back(json::object{{"check", reason.check}, {"message", reason.message}});
  }
  http::Response response =
      reply(json::object{{"error", sentence}, {"notReady", std::move(list)}}, 503);
  response.headers.set("X-Error-Message", sentence);
  response.headers.set("Retry-After", "5");
  return response;
}

http::Response scrape(Call& call) {
  return http::Response::bytes(call.services.metrics->text(), metrics::Registry::content_type());
}

/// The first request of every python process; a 404 is not remembered by it (hub-api trap 20).
http::Response agent_harnesses(Call&) {
  return reply(json::object{{"standardEnvVars", json::array{}}, {"harnesses", json::object{}}});
}

http::Response openapi(Call&) {
  static const std::string text = openapi_json();
  return http::Response::json(text);
}

http::Response nothing(Call&) {
  return http::Response::empty(200);
}

/// The datasets library asks at every load and goes on by itself after an error.
http::Response viewer_not_built(Call&) {
  throw Error(
      ErrorKind::kUnsupported,
      "This hub has no dataset viewer yet; the datasets library loads the files themselves.",
      {.code = "NotImplemented"});
}

constexpr std::array kRoutes = {
    Route{.method = "GET",
          .pattern = "/.well-known/openapi.json",
          .allow = Allow::kAnyone,
          .handler = openapi,
          .summary = "The OpenAPI document of these routes.",
          .source = "programs that make clients; hub-api section 11",
          .answer = "OpenApi"},
    Route{.method = "GET",
          .pattern = "/health",
          .allow = Allow::kAnyone,
          .handler = health,
          .summary = "200 when the hub and its database answer.",
          .source = "operators, scripts/up",
          .answer = "Health",
          .rate = RateClass::kNone},
    Route{.method = "GET",
          .pattern = "/ready",
          .allow = Allow::kAnyone,
          .handler = ready,
          .summary = "200 when the hub should be sent requests, 503 with the reasons when not.",
          .source = "load balancers; docs/operating.md",
          .answer = "Ready",
          .rate = RateClass::kNone},
    Route{.method = "GET",
          .pattern = "/metrics",
          .allow = Allow::kScraper,
          .handler = scrape,
          .summary = "What the hub measures, in Prometheus's text format.",
          .source = "Prometheus and what reads its format; docs/operating.md",
          .answer = "text/plain",
          .rate = RateClass::kPoll},
    Route{.method = "GET",
          .pattern = "/api/agent-harnesses",
          .allow = Allow::kAnyone,
          .handler = agent_harnesses,
          .summary = "An empty list of agent harnesses.",
          .source = "huggingface_hub utils/_detect_agent.py",
          .answer = "AgentHarnesses",
          .any_credential = true},
    Route{.method = "GET",
          .pattern = "/api/telemetry/{topic*}",
          .allow = Allow::kAnyone,
          .handler = nothing,
          .summary = "Takes notice of nothing: clients send HEAD and ignore the answer.",
          .source = "huggingface_hub utils/_telemetry.py",
          .answer = "none",
          .any_credential = true},
    Route{.method = "GET",
          .pattern = "/{path*}",
          .allow = Allow::kAnyone,
          .handler = viewer_not_built,
          .summary = "The dataset viewer, on its own host name: not built.",
          .source = "datasets load.py",
          .answer = "none",
          .not_built = "Always.",
          .host = VirtualHost::kViewer},
};

}  // namespace

std::span<const Route> misc_routes() {
  return kRoutes;
}

}  // namespace hearth::api
