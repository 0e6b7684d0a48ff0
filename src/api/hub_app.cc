// From a request's head to a plan: host, route, identity, repository, access, body limit. A handler
// is reached only past all of them.

#include <algorithm>

#include "api/api.h"
#include "api/rate_limit.h"
#include "api/request_log.h"
#include "api/request_metrics.h"
#include "base/address.h"
#include "base/log.h"
#include "base/text.h"
#include "http/headers.h"
#include "hub/accounts.h"
#include "hub/ledger.h"
#include "hub/repositories.h"

namespace hearth::api {
namespace {

constexpr std::string_view kViewerHostPrefix = "datasets-server.";

VirtualHost virtual_host_of(const http::RequestHead& head) {
  return to_lower(head.host).starts_with(kViewerHostPrefix) ? VirtualHost::kViewer
                                                            : VirtualHost::kMain;
}

/// The exact words keep huggingface_hub from saying "repository not found" (hub-api 2.3).
[[noreturn]] void throw_bad_credential() {
  throw Error(ErrorKind::kUnauthenticated, "Invalid credentials in Authorization header");
}

std::optional<std::string> cookie(const http::RequestHead& head, std::string_view name) {
  for (std::string_view header : head.headers.get_all("Cookie")) {
    for (std::string_view pair : split(header, ';')) {
      pair = trim(pair);
      size_t equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
        return std::string(pair.substr(equals + 1));
      }
    }
  }
  return std::nullopt;
}

/// A browser sends the session cookie along with forms of other sites; those carry another Origin.
void refuse_foreign_origin(const http::RequestHead& head) {
  if (head.method == "GET" || head.method == "HEAD" || head.method == "OPTIONS") return;
  if (head.headers.get("Sec-Fetch-Site") == "cross-site") {
    throw Error(ErrorKind::kForbidden, "This request came from another site and was refused.");
  }
  auto origin = head.headers.get("Origin");
  if (!origin) return;
  size_t host_begin = origin->find("://");
  std::string_view host =
      host_begin == std::string_view::npos ? *origin : origin->substr(host_begin + 3);
  if (!equals_ignoring_case(host, head.host)) {
    throw Error(ErrorKind::kForbidden, "This request came from another site and was refused.");
  }
}

/// Who is asking. A credential that is not valid is an error, never a stranger.
std::optional<hub::Identity> identity_of(const Services& services, const http::RequestHead& head) {
  auto header = head.headers.get("Authorization");
  if (!header) {
    auto session = cookie(head, "token");
    if (!session) return std::nullopt;
    auto identity = services.accounts->authenticate_session(*session);
    if (identity) refuse_foreign_origin(head);
    return identity;  // An old cookie is a stranger: the browser sends it for ever.
  }
  size_t space = header->find(' ');
  std::string scheme = to_lower(header->substr(0, space));
  std::string_view rest =
      space == std::string_view::npos ? std::string_view{} : trim(header->substr(space));
  std::string token;
  if (scheme == "bearer") {
    token = rest;
  } else if (scheme == "basic") {
    // git: the user name may be anything, the password is the token (hub-api 1).
    auto decoded = from_base64(rest);
    if (!decoded) throw_bad_credential();
    std::string_view pair = as_text(*decoded);
    size_t colon = pair.find(':');
    if (colon == std::string_view::npos) throw_bad_credential();
    token = pair.substr(colon + 1);
    // `http://TOKEN@host/…` puts the token where the name is.
    if (token.empty()) token = pair.substr(0, colon);
  } else {
    throw_bad_credential();
  }
  auto identity = services.accounts->authenticate_token(token);
  if (!identity) throw_bad_credential();
  return identity;
}

/// The same path with the repository's new name; the query stays. Without scheme and host:
/// huggingface_hub up to 1.x follows only such (file_download.py, "only relative paths").
std::string moved_location(const Call& call, const Router::Match& match, const hub::Repo& repo,
                           bool git_suffix) {
  auto segments = split(std::string_view(call.head.raw_path).substr(1), '/');
  std::string path;
  for (size_t i = 0; i < segments.size(); ++i) {
    if (i == match.repo_begin) {
      path += "/" + repo.repo_id.full() + (git_suffix ? ".git" : "");
    } else if (i < match.repo_begin || i >= match.repo_begin + match.repo_segments) {
      path += "/" + std::string(segments[i]);
    }
  }
  if (!call.head.raw_query.empty()) path += "?" + call.head.raw_query;
  // The public URL may have a path of its own, behind a proxy.
  std::string url = call.url(path);
  return url.substr(url.find('/', url.find("://") + 3));
}

std::optional<hub::RepoAction> repo_action(Allow allow) {
  switch (allow) {
    case Allow::kRepoSee:
      return hub::RepoAction::kSee;
    case Allow::kRepoFiles:
      return hub::RepoAction::kReadFiles;
    case Allow::kRepoDiscuss:
      return hub::RepoAction::kDiscuss;
    case Allow::kRepoWrite:
      return hub::RepoAction::kWrite;
    case Allow::kRepoAdminister:
      return hub::RepoAction::kAdminister;
    case Allow::kAnyone:
    case Allow::kSignedIn:
    case Allow::kSignedInWrite:
    case Allow::kAdministrator:
    case Allow::kScraper:
    case Allow::kSignedUrl:
    case Allow::kCustom:
      return std::nullopt;
  }
  return std::nullopt;
}

/// For scripts in browsers: the API and files may be read from other origins, without cookies.
void add_cors(http::Response& response) {
  response.headers.set("Access-Control-Allow-Origin", "*");
  response.headers.set("Access-Control-Expose-Headers",
                       "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,"
                       "Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag,X-Xet-Hash,"
                       "RateLimit,RateLimit-Policy,Retry-After");
}

http::Response preflight(const std::string& allowed) {
  http::Response response = http::Response::empty(204);
  response.headers.set("Access-Control-Allow-Methods", allowed + ", HEAD, OPTIONS");
  response.headers.set(
      "Access-Control-Allow-Headers",
      "Authorization, Content-Type, If-None-Match, Range, X-Request-Id, X-Requested-With, "
      "X-Xet-Session-Id");
  response.headers.set("Access-Control-Max-Age", "86400");
  response.headers.set("Allow", allowed + ", HEAD, OPTIONS");
  add_cors(response);
  return response;
}

http::Response wrong_method(const std::string& allowed) {
  std::string sentence = "This address answers only to " + allowed + ".";
  http::Response response = reply(json::object{{"error", sentence}}, 405);
  response.headers.set("X-Error-Message", sentence);
  response.headers.set("Allow", allowed);
  return response;
}

/// Routes that work for strangers before the hub was set up. A signed URL was given to someone who
/// got in.
bool open_before_setup(const Route& route) {
  return route.allow == Allow::kSignedUrl || route.pattern == "/health" ||
         route.pattern == "/ready" || route.pattern == "/api/agent-harnesses" ||
         route.pattern.find("telemetry") != std::string_view::npos ||
         route.pattern.starts_with("/setup") || route.pattern.starts_with("/_app/");
}

/// Whether a program reads metrics with the token that was configured for it. It is no account's,
/// so that it opens nothing else, and needs no database to be seen.
bool is_scraper(const Services& services, const Route& route, const http::RequestHead& head) {
  if (route.allow != Allow::kScraper) return false;
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view header = head.headers.get("Authorization").value_or("");
  if (to_lower(header.substr(0, kScheme.size())) != kScheme) return false;
  return services.access->is_metrics_token(trim(header.substr(kScheme.size())));
}

/// Counts the request for who makes it, as far as that is known. Throws when its quota is used up.
void count_request(const Call& call) {
  const std::string& user_id = call.identity ? call.identity->user_id : call.counted_as;
  const RateCaller caller = user_id.empty()
                                ? RateCaller{.key = caller_network(call.remote_address())}
                                : RateCaller{.key = user_id, .signed_in = true};
  const auto state = call.services.rate_limiter->count(call.route->rate, caller);
  if (!state) return;
  note_of(call.head).set_rate(*state);
  if (state->refused) throw rate_error(*state);
}

/// The row's own check. Those that find out who asks by themselves come before the counting; who
/// fails there is a stranger, and counted as one.
void check_by_row(Call& call) {
  const bool names_caller = call.route->own_credential || call.route->allow == Allow::kSignedUrl;
  if (!names_caller) {
    if (call.route->check != nullptr) call.route->check(call);
    return;
  }
  try {
    call.route->check(call);
  } catch (const Error&) {
    call.identity.reset();
    count_request(call);
    throw;
  }
  count_request(call);
}

void add_common_headers(http::Response& response, const http::RequestHead& head) {
  add_cors(response);
  if (const auto rate = note_of(head).rate()) add_rate_headers(response, *rate);
}

/// Finds and checks everything a row asks for. Throws what the caller may learn; a Response is a
/// redirect.
std::optional<http::Response> admit(Call& call, const Router::Match& match) {
  const Route& route = *call.route;
  const Services& services = call.services;
  RequestNote& note = note_of(call.head);
  note.set_address(call.remote_address());
  bool lenient = route.any_credential || route.allow == Allow::kSignedUrl ||
                 (route.allow == Allow::kAnyone && !route.pattern.starts_with("/api/"));
  const bool scraping = is_scraper(services, route, call.head);
  if (!route.own_credential && !scraping) {
    try {
      call.identity = identity_of(services, call.head);
    } catch (const Error&) {
      if (!lenient) {
        count_request(call);
        throw;
      }
    }
  }
  if (call.identity) note.set_user(call.identity->name);
  // Until there is an administrator nobody gets in but by a token that was made on the machine.
  if (!call.identity && !route.own_credential && !scraping && !open_before_setup(route) &&
      services.accounts->needs_setup()) {
    throw Error(ErrorKind::kUnavailable,
                "This hub is not set up yet. Its administrator opens the single-use link that the "
                "server printed when it started, or runs 'hearth user add NAME --admin'.");
  }
  // A scrape is not counted: strangers at the same address must not blind the monitoring.
  if (!route.own_credential && route.allow != Allow::kSignedUrl && !scraping) count_request(call);
  if (!match.repo_id.empty()) {
    auto id = hub::RepoId::parse(match.repo_id);
    if (!id) hub::Access::throw_repo_not_found(call.who());
    auto found = services.repositories->find(match.repo_type, *id);
    if (!found) hub::Access::throw_repo_not_found(call.who());
    auto action = repo_action(route.allow);
    // What a stranger may not see must not be told by its redirect either.
    services.access->require(call.who(), found->repo, hub::RepoAction::kSee);
    if (found->moved && route.follow_moves) {
      // The suffix of the repository's own segment; a file may be below "x.git/".
      auto segments = split(std::string_view(call.head.raw_path).substr(1), '/');
      bool git_suffix = segments[match.repo_begin + match.repo_segments - 1].ends_with(".git");
      http::Response redirect =
          http::Response::redirect(moved_location(call, match, found->repo, git_suffix), 307);
      return redirect;
    }
    if (action) services.access->require(call.who(), found->repo, *action);
    call.set_repo(std::move(found->repo));
  }
  switch (route.allow) {
    case Allow::kSignedIn:
      services.access->require_signed_in(call.who(), false);
      break;
    case Allow::kSignedInWrite:
      services.access->require_signed_in(call.who(), true);
      break;
    case Allow::kAdministrator:
      services.access->require_administrator(call.who());
      break;
    case Allow::kScraper:
      if (!scraping) services.access->require_administrator(call.who());
      break;
    case Allow::kSignedUrl:
    case Allow::kCustom:
      HEARTH_ASSERT(route.check != nullptr, "such a row names its check");
      break;
    case Allow::kAnyone:
    case Allow::kRepoSee:
    case Allow::kRepoFiles:
    case Allow::kRepoDiscuss:
    case Allow::kRepoWrite:
    case Allow::kRepoAdminister:
      break;
  }
  check_by_row(call);
  if (call.identity) note.set_user(call.identity->name);
  return std::nullopt;
}

/// A repository that was deleted while it was at work looks damaged to whoever was in the middle:
/// its folder went away under them.
void throw_if_gone(const Call& call, const Error& error) {
  bool may_be = error.kind() == ErrorKind::kCorrupt || error.kind() == ErrorKind::kInternal ||
                error.kind() == ErrorKind::kUnavailable || error.kind() == ErrorKind::kNotFound;
  if (!may_be || !call.has_repo()) return;
  if (!call.services.repositories->find_by_id(call.repo().id)) {
    hub::Access::throw_repo_not_found(call.who());
  }
}

}  // namespace

HubApp::HubApp(Services services)
    : services_(std::move(services)),
      router_(all_routes()),
      request_metrics_(std::make_unique<RequestMetrics>(built_routes())) {
  if (services_.metrics != nullptr) request_metrics_->add_to(*services_.metrics);
}

HubApp::~HubApp() = default;

std::shared_ptr<http::AppNote> HubApp::make_note() noexcept {
  return std::make_shared<RequestNote>();
}

std::variant<http::Plan, http::Response> HubApp::begin(const http::RequestHead& head) {
  const WorkTimer timer(note_of(head));
  VirtualHost host = virtual_host_of(head);
  std::string allowed;
  auto match = router_.find(head.method, host, head.raw_path, &allowed);
  if (!match) {
    if (head.method == "OPTIONS" && !allowed.empty()) return preflight(allowed);
    if (!allowed.empty()) return wrong_method(allowed);
    throw Error(ErrorKind::kNotFound, "There is nothing at this address.");
  }
  // The call lives as long as the plan's functions do.
  auto call = std::make_shared<Call>(services_, head);
  call->set_route(*match->route);
  note_of(head).set_route(*match->route);
  if (head.method == "GET" && match->route->pattern.starts_with("/api/")) {
    call->change_number = services_.database->change_number();
  }
  call->repo_type = match->repo_type;
  call->params = std::move(match->params);
  if (auto redirect = admit(*call, *match)) {
    add_common_headers(*redirect, head);
    return std::move(*redirect);
  }

  const Route& route = *match->route;
  auto run = [call, &route] {
    const WorkTimer handling(note_of(call->head));
    http::Response response;
    try {
      response = route.handler(*call);
    } catch (const Error& error) {
      throw_if_gone(*call, error);
      if (error.code() != hub::kQuotaExceeded) throw;
      throw Error(error.kind(), full_text(*call, error), {.code = error.code()});
    }
    add_common_headers(response, call->head);
    return response;
  };
  http::Plan plan;
  if (route.body_bytes_max == 0) {
    plan = http::Plan::respond(run);
    // Clients send bodies where none is wanted (`{}` on DELETE): read and forget a small one.
    if (head.has_body()) {
      plan.body_bytes_max = 64 * 1024;
      plan.sink = std::make_unique<http::NullSink>();
    }
  } else if (route.make_sink != nullptr) {
    plan.sink = route.make_sink(*call);
    call->set_sink(plan.sink.get());
    plan.body_bytes_max = route.body_bytes_max;
    plan.handle = run;
  } else {
    plan = http::Plan::with_text(route.body_bytes_max, [call, run](std::string body) {
      call->body = std::move(body);
      return run();
    });
  }
  plan.allow_gzip = route.allow_gzip;
  if (route.handler_wait_s > 0) plan.handler_wait = std::chrono::seconds(route.handler_wait_s);
  return plan;
}

http::Response HubApp::on_error(std::exception_ptr error, const http::RequestHead& head) {
  http::Response response = error_reply(std::move(error), head);
  add_common_headers(response, head);
  // git asks for a password only when it is told to; other clients ignore the field.
  bool git = head.raw_path.find("/info/refs") != std::string::npos ||
             head.raw_path.find("/git-upload-pack") != std::string::npos ||
             head.raw_path.find("/git-receive-pack") != std::string::npos ||
             head.raw_path.find("/info/lfs/") != std::string::npos;
  if (response.status == 401 && git) {
    response.headers.set("WWW-Authenticate", "Basic realm=\"Hearth\", charset=\"UTF-8\"");
  }
  return response;
}

void HubApp::on_done(const http::RequestHead& head, const http::Outcome& outcome) noexcept {
  const RequestNote& note = note_of(head);
  request_metrics_->observe(note.route(), head, outcome, note.work());
  try {
    log_request({.each_request = services_.log_requests, .slow_ms = services_.slow_request_ms},
                head, outcome);
  } catch (...) {
    // A log line that cannot be written must not take a connection down.
  }
}

std::vector<const Route*> built_routes() {
  std::vector<const Route*> all;
  for (std::span<const Route> rows :
       {misc_routes(), account_routes(), session_routes(), oauth_routes(), repo_routes(),
        refs_routes(), tree_routes(), commit_routes(), file_routes(), community_routes(),
        like_routes(), listing_routes(), validate_routes(), git_routes(), lfs_routes(),
        lfs_files_routes(), xet_routes(), page_routes()}) {
    for (const Route& row : rows) all.push_back(&row);
  }
  return all;
}

std::vector<const Route*> all_routes() {
  std::vector<const Route*> all = built_routes();
  for (const Route& row : operation_routes()) all.push_back(&row);
  return all;
}

}  // namespace hearth::api
