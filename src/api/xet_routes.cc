// The Xet protocol: tokens on the hub's side, and the CAS that they open.
//
// Source: the Xet reference, sections 5 and 8. Every path of the CAS exists in the spellings of
// older clients too (5.11). What is not offered answers 404, never 405 or 501: those break uploads.

#include <algorithm>
#include <array>

#include "api/limits.h"
#include "api/source_body.h"
#include "api/xet_call.h"
#include "base/text.h"
#include "http/range.h"
#include "hub/contents.h"
#include "hub/ledger.h"

namespace hearth::api {
namespace {

constexpr std::string_view kOctets = "application/octet-stream";
constexpr uint64_t kTelemetryBytesMax = 1 << 20;
constexpr uint64_t kGrantBytesMax = 16 * 1024;

// ---- Tokens ----

http::Response token_answer(Call& call, xet::Scope scope, bool for_pull_request) {
  int64_t expires_s = call.services.clock->now_ms() / 1000 + xet::kTokenLifetimeS;
  xet::Claims claims{
      .user_id = call.identity ? call.identity->user_id : "",
      .credential = call.identity ? to_base64url(call.identity->credential.secret_hash) : "",
      .repo_id = call.repo().id,
      .revision = call.param("rev"),
      .scope = scope,
      .for_pull_request = for_pull_request,
      .expires_s = expires_s};
  std::string token = signer_of(call).token(claims);
  std::string cas_url = call.url(kCasPath);
  // Python reads only the headers, Rust and JS the body.
  http::Response response =
      reply(json::object{{"casUrl", cas_url}, {"exp", expires_s}, {"accessToken", token}});
  response.headers.set(http::kXetCasUrl, cas_url);
  response.headers.set(http::kXetAccessToken, token);
  response.headers.set(http::kXetTokenExpiration, std::to_string(expires_s));
  response.headers.set(http::kCacheControl, "no-store");
  return response;
}

/// Whether the upload is for a pull request, which everyone who may discuss can open. The revision
/// is then "None" or the branch it will be against, with create_pr=1, or refs/pr/N itself.
bool is_for_pull_request(const Call& call) {
  return call.query.flag("create_pr") || call.param("rev").starts_with("refs/pr/");
}

void check_write_token(Call& call) {
  bool pull_request = is_for_pull_request(call);
  // Whoever may write gets the full right, so that one token serves branch and pull request.
  call.services.access->require(call.who(), call.repo(),
                                pull_request ? hub::RepoAction::kDiscuss : hub::RepoAction::kWrite);
}

/// Throws RevisionNotFound; with create_pr the client has none to name yet (hub-api, trap 5).
void check_revision(Call& call) {
  call.services.contents->resolve(call.repo(), call.param("rev"));
}

http::Response read_token(Call& call) {
  check_revision(call);
  return token_answer(call, xet::Scope::kRead, false);
}

http::Response write_token(Call& call) {
  if (!is_for_pull_request(call)) check_revision(call);
  call.services.ledger->require_any_room(call.repo());
  return token_answer(call, xet::Scope::kWrite, is_for_pull_request(call));
}

// ---- Reconstructions ----

/// The asked bytes, clamped to the file. Throws kRangeNotSatisfiable: clients take it as the end.
std::optional<xet::FileRange> asked_range(const Call& call, uint64_t size_bytes) {
  auto header = call.head.headers.get(http::kRange);
  if (!header) return std::nullopt;
  http::RangeRequest request = http::parse_range_header(*header, size_bytes);
  switch (request.kind) {
    case http::RangeRequest::Kind::kNone:
      return std::nullopt;
    case http::RangeRequest::Kind::kUnsatisfiable:
      throw Error(ErrorKind::kRangeNotSatisfiable, "The range begins behind the end of the file.");
    case http::RangeRequest::Kind::kRanges:
      break;
  }
  if (request.ranges.size() != 1) {
    throw Error(ErrorKind::kInvalid, "A reconstruction is asked for one range at a time.");
  }
  const http::ByteRange& range = request.ranges.front();
  return xet::FileRange{range.offset_bytes, range.offset_bytes + range.length_bytes};
}

xet::UrlSigner url_signer(const Call& call) {
  int64_t expires_s = call.services.clock->now_ms() / 1000 + xet::kDataUrlLifetimeS;
  return [&call, expires_s, signer = signer_of(call)](const xet::MerkleHash& xorb,
                                                      std::span<const xet::FetchRange> ranges) {
    return call.url(
        std::string(kCasPath) + "/v1/data/" + xorb.text() + "?" +
        signer.data_query(xorb, ranges, expires_s, call.identity ? call.identity->user_id : ""));
  };
}

xet::Recipe recipe_or_404(const Call& call, const xet::MerkleHash& hash) {
  auto recipe = call.services.xet->recipe_of(call.repo().id, hash);
  if (!recipe) throw Error(ErrorKind::kNotFound, "This repository has no file of that hash.");
  return std::move(*recipe);
}

http::Response reconstruction(Call& call, bool is_v2) {
  xet::Recipe recipe = recipe_or_404(call, hash_param(call));
  xet::Reconstruction plan = call.services.xet->plan(recipe, asked_range(call, recipe.size_bytes));
  auto sign = url_signer(call);
  http::Response response = reply(is_v2 ? xet::reconstruction_v2_json(plan, sign)
                                        : xet::reconstruction_v1_json(plan, sign));
  response.headers.set(http::kCacheControl, "private, no-store");  // The URLs in it expire.
  return response;
}

http::Response reconstruction_v1(Call& call) {
  return reconstruction(call, false);
}

http::Response reconstruction_v2(Call& call) {
  return reconstruction(call, true);
}

http::Response batch_answer(Call& call, const std::vector<std::string>& texts) {
  if (texts.size() > kReconstructionsMax) {
    throw Error(ErrorKind::kTooLarge, "Ask for at most 1000 files at once.");
  }
  json::object files, fetch_info;
  auto sign = url_signer(call);
  for (const std::string& text : texts) {
    auto hash = xet::MerkleHash::from_text(text);
    if (!hash) throw Error(ErrorKind::kInvalid, "A Xet hash is 64 hex digits.");
    auto recipe = call.services.xet->recipe_of(call.repo().id, *hash);
    if (!recipe) continue;  // Absent ones are left out.
    json::object one =
        xet::reconstruction_v1_json(call.services.xet->plan(*recipe, std::nullopt), sign);
    files[hash->text()] = std::move(one.at("terms"));
    for (auto& entry : one.at("fetch_info").as_object()) {
      json::value& entries = fetch_info[entry.key()];
      if (entries.is_null()) entries = json::array();
      for (json::value& fetch : entry.value().as_array()) {
        entries.as_array().push_back(std::move(fetch));
      }
    }
  }
  return reply(json::object{{"files", std::move(files)}, {"fetch_info", std::move(fetch_info)}});
}

http::Response reconstructions_by_query(Call& call) {
  return batch_answer(call, call.query.get_all("file_id"));
}

http::Response reconstructions_by_body(Call& call) {
  json::value body = value_or_throw(parse_json(call.body), "The body");
  std::vector<std::string> texts;
  if (!body.is_array()) throw Error(ErrorKind::kInvalid, "The body must be a list of files.");
  for (const json::value& item : body.as_array()) {
    if (!item.is_object()) throw Error(ErrorKind::kInvalid, "The body must be a list of files.");
    texts.push_back(require_string(item.as_object(), "hash"));
  }
  return batch_answer(call, texts);
}

http::Response head_file(Call& call) {
  xet::Recipe recipe = recipe_or_404(call, hash_param(call));
  http::Response response = http::Response::empty(200);
  response.headers.set(http::kContentLength, std::to_string(recipe.size_bytes));
  return response;
}

// ---- Xorbs ----

std::optional<std::vector<xet::Signer::ByteSpan>> spans_of(const Call& call,
                                                           const xet::MerkleHash& xorb) {
  return signer_of(call).signed_ranges(xorb,
                                       {.ranges = call.query.get("r").value_or(""),
                                        .expires = call.query.get("e").value_or(""),
                                        .user_id = call.query.get("u").value_or(""),
                                        .signature = call.query.get("s").value_or("")},
                                       call.services.clock->now_ms() / 1000);
}

void check_data(Call& call) {
  // 403 makes clients ask for a new plan; any other status would be fatal to them.
  if (!spans_of(call, hash_param(call))) {
    throw Error(ErrorKind::kForbidden, "This link is not valid, or has expired.");
  }
  call.counted_as = call.query.get("u").value_or("");
}

http::Response data(Call& call) {
  xet::MerkleHash hash = hash_param(call);
  auto spans = spans_of(call, hash);
  auto header = call.head.headers.get(http::kRange);
  if (!spans || !header) throw Error(ErrorKind::kForbidden, "Ask for a range that was signed.");
  auto xorb = call.services.xet->open_xorb(hash);
  http::RangeRequest request =
      http::parse_range_header(*header, xorb->size_bytes(), {.range_count_max = kDataRangesMax});
  if (request.kind != http::RangeRequest::Kind::kRanges) {
    throw Error(ErrorKind::kForbidden, "Ask for a range that was signed.");
  }
  for (const http::ByteRange& range : request.ranges) {
    uint64_t last = range.offset_bytes + range.length_bytes - 1;
    bool is_signed = std::any_of(spans->begin(), spans->end(), [&](const auto& span) {
      return range.offset_bytes >= span.begin && last <= span.last;
    });
    if (!is_signed) throw Error(ErrorKind::kForbidden, "This range was not signed.");
  }
  auto append = [&](http::ByteRange range, http::Body& body) { append_checked(xorb, range, body); };
  http::Response response;
  if (request.ranges.size() == 1) {
    response = http::Response::empty(206);
    append(request.ranges.front(), response.body);
    response.headers.set(http::kContentType, kOctets);
    response.headers.set(http::kContentRange,
                         http::content_range(request.ranges.front(), xorb->size_bytes()));
  } else {
    response = http::multipart_byteranges(request.ranges, xorb->size_bytes(), kOctets, append);
  }
  response.headers.set(http::kAcceptRanges, "bytes");
  response.headers.set(http::kCacheControl, "private, max-age=3600, immutable");
  return response;
}

http::Response head_xorb(Call& call) {
  xet::MerkleHash hash = hash_param(call);
  if (!call.services.xet->may_reference(hash, cas_caller(call), may_read_of(call))) {
    throw Error(ErrorKind::kNotFound, "There is no such xorb.");
  }
  http::Response response = http::Response::empty(200);
  response.headers.set(http::kContentLength,
                       std::to_string(call.services.xet->open_xorb(hash)->size_bytes()));
  return response;
}

/// 200: no need to send it. Only for what the caller may refer to anyway, so that nobody learns
/// what others store. 404 is "no grants here": the client then sends the xorb itself.
http::Response xorb_grant(Call& call) {
  xet::MerkleHash hash = hash_param(call);
  bool known = call.services.xet->may_reference(hash, cas_caller(call), may_read_of(call)) &&
               !call.services.xet->promise_xorbs({hash}).empty();
  return http::Response::empty(known ? 200 : 404);
}

class XorbSink : public http::BodySink {
 public:
  explicit XorbSink(xet::XorbUpload upload) : upload_(std::move(upload)) {}
  void write(std::span<const uint8_t> block) override { upload_.write(block); }
  void finish() override { upload_.commit(); }

 private:
  xet::XorbUpload upload_;
};

std::unique_ptr<http::BodySink> xorb_sink(Call& call) {
  return std::make_unique<XorbSink>(
      call.services.xet->begin_xorb(hash_param(call), cas_caller(call)));
}

http::Response post_xorb(Call&) {
  // The same for new and known ones: the difference would tell what others store.
  return reply(json::object{{"was_inserted", true}});
}

http::Response dedup_query(Call& call) {
  auto answer =
      call.services.xet->dedup_answer(hash_param(call), cas_caller(call), may_read_of(call));
  if (!answer) return http::Response::empty(404);
  return http::Response::bytes(std::string(as_text(*answer)), kOctets);
}

// ---- Telemetry ----

std::unique_ptr<http::BodySink> forget(Call&) {
  return std::make_unique<http::NullSink>();
}

http::Response telemetry(Call&) {
  return http::Response::empty(200);
}

// ---- Rows ----

constexpr std::array kWriteTokenQuery = {
    QueryParameter{.name = "create_pr",
                   .type = QueryParameter::Type::kFlag,
                   .what = "Whether the upload is for a pull request that is not open yet."},
};

constexpr std::array kDataQuery = {
    QueryParameter{.name = "r",
                   .type = QueryParameter::Type::kText,
                   .what = "The ranges that the link is for.",
                   .required = true},
    QueryParameter{
        .name = "e", .type = QueryParameter::Type::kText, .what = "Until when.", .required = true},
    QueryParameter{.name = "u",
                   .type = QueryParameter::Type::kText,
                   .what = "For whom requests for it are counted; absent: for their address."},
    QueryParameter{.name = "s",
                   .type = QueryParameter::Type::kText,
                   .what = "The signature.",
                   .required = true},
};

constexpr std::array kFilesQuery = {
    QueryParameter{.name = "file_id",
                   .type = QueryParameter::Type::kText,
                   .what = "The Xet hashes of the files.",
                   .repeated = true},
};

constexpr std::string_view kHfXet = "hf-xet 1.8.0; older paths: 1.1.3, 1.2.0";

constexpr Route cas_get(std::string_view pattern, Handler handler, std::string_view summary,
                        std::string_view answer) {
  return {.method = "GET",
          .pattern = pattern,
          .allow = Allow::kCustom,
          .handler = handler,
          .summary = summary,
          .source = kHfXet,
          .answer = answer,
          .check = check_cas_read,
          .rate = RateClass::kTransfers,
          .own_credential = true};
}

constexpr Route cas_head(std::string_view pattern, Handler handler, std::string_view summary) {
  Route row = cas_get(pattern, handler, summary, "none");
  row.method = "HEAD";
  return row;
}

constexpr Route several_row(std::string_view pattern) {
  Route row = cas_get(pattern, reconstructions_by_query,
                      "The plans of several files, named by file_id.", "XetReconstructions");
  row.query = kFilesQuery;
  return row;
}

constexpr Route chunk_row(std::string_view pattern) {
  return cas_get(pattern, dedup_query, "A shard that tells where a chunk is stored already.",
                 kOctets);
}

constexpr Route post_row(std::string_view pattern, Handler handler, std::string_view summary,
                         uint64_t body_bytes_max, std::string_view answer) {
  return {.method = "POST",
          .pattern = pattern,
          .allow = Allow::kCustom,
          .handler = handler,
          .summary = summary,
          .source = kHfXet,
          .request = kOctets,
          .answer = answer,
          .body_bytes_max = body_bytes_max,
          .check = check_cas_write,
          .rate = RateClass::kTransfers,
          .own_credential = true};
}

constexpr Route xorb_row(std::string_view pattern) {
  Route row = post_row(pattern, post_xorb, "Stores a xorb after checking every chunk in it.",
                       xet::kXorbBodyBytesMax, "StoredXorb");
  row.make_sink = xorb_sink;
  row.handler_wait_s = 600;
  return row;
}

constexpr Route shard_v1_row(std::string_view pattern) {
  Route row = post_row(pattern, post_shard_v1, "Registers the files of a shard.",
                       xet::kShardBytesMax, "StoredShard");
  row.handler_wait_s = 3600;  // Every new file is read once; old clients wait without a limit.
  return row;
}

constexpr Route telemetry_row(std::string_view pattern) {
  return {.method = "POST",
          .pattern = pattern,
          .allow = Allow::kAnyone,
          .handler = telemetry,
          .summary = "Figures of a transfer; read and forgotten.",
          .source = kHfXet,
          .request = "*/*",
          .answer = "none",
          .body_bytes_max = kTelemetryBytesMax,
          .make_sink = forget,
          .own_credential = false};
}

constexpr std::array kRoutes = {
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/xet-read-token/{rev}",
          .allow = Allow::kRepoFiles,
          .handler = read_token,
          .summary = "A token for reading chunks of this repository's files.",
          .source = "huggingface_hub utils/_xet.py; hf-xet; @huggingface/hub XetBlob",
          .answer = "XetToken",
          .answer_headers = "X-Xet-Cas-Url X-Xet-Access-Token X-Xet-Token-Expiration"},
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/xet-write-token/{rev}",
          .allow = Allow::kCustom,
          .handler = write_token,
          .summary = "A token for uploading chunks; rev may be None with create_pr=1.",
          .source = "huggingface_hub utils/_xet.py; hf-xet; @huggingface/hub uploadShards",
          .query = kWriteTokenQuery,
          .answer = "XetToken",
          .answer_headers = "X-Xet-Cas-Url X-Xet-Access-Token X-Xet-Token-Expiration",
          .check = check_write_token},

    cas_get("/cas/v2/reconstructions/{hash}", reconstruction_v2,
            "What to fetch to put a file, or a range of it, together.", "XetReconstructionV2"),
    cas_get("/cas/v1/reconstructions/{hash}", reconstruction_v1, "The same with one URL a range.",
            "XetReconstruction"),
    cas_get("/cas/reconstructions/{hash}", reconstruction_v1, "The same for hf-xet 1.2.",
            "XetReconstruction"),
    cas_get("/cas/reconstruction/{hash}", reconstruction_v1, "The same for hf-xet 1.1.",
            "XetReconstruction"),
    several_row("/cas/v1/reconstructions"),
    Route{.method = "POST",
          .pattern = "/cas/v1/reconstructions",
          .allow = Allow::kCustom,
          .handler = reconstructions_by_body,
          .summary = "The plans of several files, named in a list.",
          .source = kHfXet,
          .request = "XetFileNames",
          .answer = "XetReconstructions",
          .body_bytes_max = 1 << 20,
          .check = check_cas_read,
          .rate = RateClass::kTransfers,
          .own_credential = true},
    cas_head("/cas/v1/files/{hash}", head_file, "The size of a file of the repository."),
    cas_head("/cas/v1/xorbs/default/{hash}", head_xorb, "The size of a xorb."),

    Route{.method = "GET",
          .pattern = "/cas/v1/data/{hash}",
          .allow = Allow::kSignedUrl,
          .handler = data,
          .summary = "Ranges of a xorb, as the signed URL allows.",
          .source = kHfXet,
          .query = kDataQuery,
          .answer = "application/octet-stream|multipart/byteranges",
          .answer_headers = "Accept-Ranges Content-Range?",
          .check = check_data,
          .rate = RateClass::kTransfers},

    chunk_row("/cas/v1/chunks/default/{hash}"),
    chunk_row("/cas/v1/chunks/default-merkledb/{hash}"),
    chunk_row("/cas/chunks/default/{hash}"),
    chunk_row("/cas/chunk/default/{hash}"),

    post_row("/cas/v1/xorb-grants/default/{hash}", xorb_grant,
             "Whether a xorb need not be sent (200); 404: send it.", kGrantBytesMax, "none"),
    xorb_row("/cas/v1/xorbs/default/{hash}"),
    xorb_row("/cas/xorbs/default/{hash}"),
    xorb_row("/cas/xorb/default/{hash}"),

    post_row("/cas/v2/shards", post_shard_v2,
             "Registers the files of a shard and tells how far it is.", xet::kShardBytesMax,
             "application/x-ndjson"),
    shard_v1_row("/cas/v1/shards"),
    shard_v1_row("/cas/shards"),
    shard_v1_row("/cas/shard/default/{shard}"),

    telemetry_row("/v1/telemetry"),
    telemetry_row("/cas/v1/telemetry"),
};

}  // namespace

std::span<const Route> xet_routes() {
  return kRoutes;
}

}  // namespace hearth::api
