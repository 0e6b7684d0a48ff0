#pragma once
// Routes are data. A row says method, pattern, what the caller must be allowed to do, the limits of
// the body, the handler, a sentence and the client code that reads the answer. The rows drive the
// router, the access check before the handler, the body limit, docs/routes.md, the OpenAPI document
// and the test that calls every route in every role.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "base/url.h"
#include "http/http.h"
#include "hub/access.h"
#include "hub/caller.h"
#include "hub/identity.h"
#include "hub/repo.h"

namespace hearth {
namespace db {
class Database;
}
namespace blob {
class BlobStore;
}
namespace xet {
class XetStore;
}
namespace metrics {
class Registry;
}
namespace hub {
class Accounts;
class Repositories;
class Commits;
class Receive;
class Community;
class Listing;
class Downloads;
class Likes;
class Ledger;
class LfsFiles;
class Tasks;
class Audit;
class PathIndex;
class Contents;
}  // namespace hub
}  // namespace hearth

namespace hearth::api {

class AnswerMemory;
class RateLimiter;
class RequestMetrics;

/// One reason why this hub should not be sent requests.
struct NotReady {
  std::string check;    // "database": for programs
  std::string message;  // A sentence for the operator.
};

/// Everything handlers may use, wired once by app/. The objects outlive the server.
struct Services {
  db::Database* database = nullptr;
  const Clock* clock = nullptr;
  const hub::Access* access = nullptr;
  hub::Accounts* accounts = nullptr;
  hub::Repositories* repositories = nullptr;
  hub::Commits* commits = nullptr;
  hub::Receive* receive = nullptr;
  hub::Contents* contents = nullptr;
  hub::Community* community = nullptr;
  hub::Listing* listing = nullptr;
  hub::Downloads* downloads = nullptr;
  hub::Likes* likes = nullptr;
  hub::LfsFiles* lfs_files = nullptr;
  hub::Ledger* ledger = nullptr;
  hub::Tasks* tasks = nullptr;
  hub::Audit* audit = nullptr;
  blob::BlobStore* blobs = nullptr;
  xet::XetStore* xet = nullptr;
  RateLimiter* rate_limiter = nullptr;
  metrics::Registry* metrics = nullptr;
  AnswerMemory* answers = nullptr;
  /// What is not ready; null: nothing is looked at.
  std::function<std::vector<NotReady>()> readiness = nullptr;
  /// Signs upload and download URLs that carry their own right (32 bytes, kept in the data folder).
  std::string signing_key;
  /// "https://hub.example" without a trailing slash; empty: taken from each request.
  std::string public_url;
  /// Whether X-Forwarded-Proto and X-Forwarded-Host of a reverse proxy are believed.
  bool trust_forwarded = false;
  /// Spool files of request bodies; on the same file system as the data.
  std::string uploads_dir;
  /// LFS clients that can send larger files in parts are asked to, in parts of this size.
  uint64_t lfs_part_bytes = uint64_t{1} << 30;
  /// Whether files that came whole are cut into chunks afterwards.
  bool chunk_lfs_uploads = true;
  /// Whether each request has its line in the log.
  bool log_requests = true;
  /// Requests at which the program itself worked longer are warnings. 0: none.
  int slow_request_ms = 0;
};

/// What the caller must be allowed to do before a handler runs.
enum class Allow {
  kAnyone,         // no right needed
  kSignedIn,       // any valid credential
  kSignedInWrite,  // a credential that may change things; the domain checks what the body names
  kRepoSee,        // the repository of the path: metadata
  kRepoFiles,      // its files: past the gate
  kRepoDiscuss,    // open discussions and pull requests in it
  kRepoWrite,
  kRepoAdminister,
  kAdministrator,
  kScraper,    // administrators, and programs that come with the token of --metrics-token
  kSignedUrl,  // the URL itself carries a signed right; `check` verifies it
  kCustom,     // `check` decides (a commit that may open a pull request, git services, Xet tokens)
};

/// Which Host header a route answers to.
enum class VirtualHost {
  kMain,
  kViewer,  // datasets-server.<host>: the datasets library asks it; hub-api section 0
};

/// Requests of one class share a quota per caller (api/rate_limit.h). The first three are the
/// hosted hub's.
enum class RateClass {
  kApi,        // what stands below /api and answers JSON
  kResolvers,  // files of repositories
  kPages,      // pages for people
  kGit,        // git's smart HTTP and the batch API of Git LFS
  kTransfers,  // bytes of large files: Xet, and the links of Git LFS
  kLogin,      // everything that asks for a password or a code
  kPoll,       // devices that wait for their person
  kNone,       // never limited: what watches over the hub
};
inline constexpr size_t kRateClassCount = 7;  // All but kNone.

class Call;
using Handler = http::Response (*)(Call&);
/// Throws what the caller may learn. Runs before the body is read.
using Check = void (*)(Call&);
/// Makes the sink that the body streams into; the handler finds it as call.sink().
using MakeSink = std::unique_ptr<http::BodySink> (*)(Call&);

/// One parameter of a row's query. A handler is given those that its row lists and no others, so
/// that the OpenAPI document, made of the lists, tells all that there are.
struct QueryParameter {
  enum class Type { kText, kFlag, kNumber };
  std::string_view name;
  Type type;
  std::string_view what;         // A sentence for the document.
  uint64_t min = 0;              // Of a number: a smaller one counts as this …
  uint64_t max = 0;              // … and a larger one as this; 0: any.
  std::string_view values = {};  // Of a text: all that mean something, "a|b". Empty: any.
  bool repeated = false;         // A list: the name once for each value.
  bool required = false;
};

/// Of lists in pages.
inline constexpr QueryParameter kCursorParameter{
    .name = "cursor",
    .type = QueryParameter::Type::kText,
    .what = "Where the page begins: a part of the `next` link of the page before."};

/// One row. Patterns are made of segments:
///   literal        "tree"
///   {name}         one segment, percent-decoded
///   {name*}        the rest of the path (one segment or more), each decoded, joined by '/'
///   {types}        models | datasets | spaces            -> call.repo_type
///   {prefix}       nothing | datasets | spaces           -> call.repo_type (file, git, page
///   routes) {repo}         two segments, namespace and name      -> call.repo {repo.git}     the
///   same, the name may end in ".git"
/// A row with {repo} also matches a legacy id of one segment, which never exists here.
struct Route {
  std::string_view method;  // GET also answers HEAD.
  std::string_view pattern;
  Allow allow;
  Handler handler;
  std::string_view summary;
  std::string_view source;  // The client code that reads the answer.

  std::span<const QueryParameter> query = {};
  // Bodies, for the OpenAPI document: media types with '|' between; a word in capitals is a schema
  // of src/api/schemas, as JSON or as the media type before it: "TreeEntries",
  // "application/vnd.git-lfs+json LfsBatched|text/plain".
  std::string_view request = {};  // Needed by rows with body_bytes_max.
  std::string_view answer = {};   // Of a success. "none": no body. Every row says it.
  /// Headers of every success that clients read, with a space between; "?": of some.
  std::string_view answer_headers = {};
  /// Of a 4XX, where it is not the `Error` of all others.
  std::string_view refusal = {};
  /// When a row that is built answers 501; a sentence. Empty: never.
  std::string_view not_built = {};

  uint64_t body_bytes_max = 0;   // 0: no body.
  MakeSink make_sink = nullptr;  // Null with a limit: the body is text, call.body.
  Check check = nullptr;         // Needed by kSignedUrl and kCustom; others may add one.
  RateClass rate = RateClass::kApi;
  VirtualHost host = VirtualHost::kMain;
  bool allow_gzip = false;
  /// A moved repository answers 307 to its new name (all but routes that must not).
  bool follow_moves = true;
  int handler_wait_s = 0;  // 0: the server's default.
  /// Authorization holds something other than a credential of the hub (a Xet token): `check` reads
  /// it.
  bool own_credential = false;
  /// A token that is not valid counts as none: pages, signed links, and what clients ask before
  /// they think of tokens. Elsewhere it is refused, also where a stranger would get an answer, so
  /// that nobody takes a part of a list for the whole.
  bool any_credential = false;
  /// A page of the site (web/): what goes wrong is told by the page, with the status. Such a row
  /// takes no address whose first segment another row spells out: /api/anything is no repository.
  bool is_page = false;
};

/// One request on its way through a handler.
class Call {
 public:
  Call(const Services& call_services, const http::RequestHead& request_head)
      : services(call_services), head(request_head), query(request_head.raw_query) {}

  const Services& services;
  const http::RequestHead& head;
  Query query;
  const Route* route = nullptr;                            // See set_route().
  std::map<std::string, std::string, std::less<>> params;  // By name, decoded.
  std::optional<hub::Identity> identity;
  /// The database's, from before anything was read for this request; for AnswerMemory.
  std::optional<int64_t> change_number;
  std::string counted_as;  // A user's id, by a link that was signed for them: for quotas only.
  hub::RepoType repo_type = hub::RepoType::kModel;
  std::string body;  // Routes with a limit and no sink.

  /// From here on `query` holds only what the row lists.
  void set_route(const Route& row);

  /// The caller, or null for a stranger.
  const hub::Identity* who() const { return identity ? &*identity : nullptr; }
  /// The caller of a route that only someone signed in reaches; lives as long as this call.
  hub::Caller caller() const;
  /// The repository of the path; routes with {repo} only.
  const hub::Repo& repo() const;
  void set_repo(hub::Repo repo) { repo_ = std::move(repo); }
  bool has_repo() const { return repo_.has_value(); }
  /// A parameter of the pattern; Error{kInternal} if the pattern has none of that name.
  const std::string& param(std::string_view name) const;

  /// The sink that make_sink made.
  template <typename Sink>
  Sink& sink() {
    return static_cast<Sink&>(*sink_);
  }
  void set_sink(http::BodySink* sink) { sink_ = sink; }

  std::string remote_address() const;  // The peer's, or what a trusted proxy says of it.
  /// "https://hub.example": configured, or as this request reached us. No trailing slash.
  std::string public_url() const;
  /// public_url + path; `path_and_query` begins with '/'.
  std::string url(std::string_view path_and_query) const {
    return public_url() + std::string(path_and_query);
  }
  /// `https://hub/datasets/alice/tiny`
  std::string repo_url(const hub::Repo& repo) const;
  /// Parses call.body as a JSON object, or throws kInvalid.
  json::object json_body() const { return parse_json_object(body); }
  /// The body as application/x-www-form-urlencoded.
  Query form_body() const { return Query(body); }

 private:
  /// What our own proxy says in this header: the last entry of the last line. Empty: nothing, or
  /// there is no proxy that is trusted.
  std::string_view forwarded(std::string_view name) const;

  std::optional<hub::Repo> repo_;
  http::BodySink* sink_ = nullptr;
};

/// JSON answers.
http::Response reply(const json::value& value, int status = 200);
/// Adds `Link: <…>; rel="next"`: this request's own URL with `cursor` set. Clients fetch it as it
/// is.
void add_next_link(http::Response& response, const Call& call, std::string_view cursor);
/// The sentence of a quota's error (hub::kQuotaExceeded), with its numbers for who may write.
std::string full_text(const Call& call, const Error& error);

/// The answer for an exception: status, X-Error-Code, X-Error-Message, JSON {"error"}. Logs what
/// only the operator may know. Never throws.
http::Response error_reply(std::exception_ptr error, const http::RequestHead& head);

/// Every row of the program, in the order of the documentation. Each resource file exports its own.
std::span<const Route> repo_routes();
std::span<const Route> refs_routes();
std::span<const Route> tree_routes();
std::span<const Route> commit_routes();
std::span<const Route> file_routes();
std::span<const Route> community_routes();
std::span<const Route> like_routes();
std::span<const Route> listing_routes();
std::span<const Route> validate_routes();
std::span<const Route> account_routes();
std::span<const Route> oauth_routes();
std::span<const Route> session_routes();
std::span<const Route> git_routes();
std::span<const Route> lfs_routes();
std::span<const Route> lfs_files_routes();
std::span<const Route> xet_routes();
std::span<const Route> misc_routes();
std::span<const Route> page_routes();
/// The documented operations that are not built: they answer 501. Looked up last.
std::span<const Route> operation_routes();

/// The rows with a handler of their own.
std::vector<const Route*> built_routes();
/// Those, and the operations that are not built.
std::vector<const Route*> all_routes();
/// docs/routes.md.
std::string routes_markdown();
/// docs/limits.md.
std::string limits_markdown();

/// Finds rows by method, host and path.
class Router {
 public:
  explicit Router(std::vector<const Route*> routes);
  ~Router();

  struct Match {
    const Route* route = nullptr;
    std::map<std::string, std::string, std::less<>> params;
    hub::RepoType repo_type = hub::RepoType::kModel;
    std::string repo_id;       // "alice/tiny", or a legacy id without '/'; empty without {repo}
    size_t repo_begin = 0;     // Index of the first path segment of the repository id …
    size_t repo_segments = 0;  // … and how many; for redirects to a new name.
  };
  /// Nothing: no such path. `allowed` lists the methods of that path when only the method is wrong.
  std::optional<Match> find(std::string_view method, VirtualHost host, std::string_view raw_path,
                            std::string* allowed) const;

 private:
  struct Node;
  std::unique_ptr<Node> roots_[2];
};

/// The hub as the server sees it.
class HubApp : public http::App {
 public:
  explicit HubApp(Services services);
  ~HubApp() override;
  std::shared_ptr<http::AppNote> make_note() noexcept override;
  std::variant<http::Plan, http::Response> begin(const http::RequestHead& head) override;
  http::Response on_error(std::exception_ptr error, const http::RequestHead& head) override;
  void on_done(const http::RequestHead& head, const http::Outcome& outcome) noexcept override;

  const Services& services() const { return services_; }

 private:
  Services services_;
  Router router_;
  std::unique_ptr<RequestMetrics> request_metrics_;
};

}  // namespace hearth::api
