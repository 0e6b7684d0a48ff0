// Files of a repository: `resolve` and `raw`, with every header that the clients read (hub-api 6).

#include <array>

#include "api/api.h"
#include "api/source_body.h"
#include "base/text.h"
#include "http/headers.h"
#include "http/range.h"
#include "hub/contents.h"
#include "hub/downloads.h"
#include "hub/safetensors_metadata.h"

namespace hearth::api {
namespace {

constexpr std::string_view kXetFileInfo = "application/vnd.xet-fileinfo+json";

struct SuffixType {
  std::string_view suffix;
  std::string_view type;
};

/// What a browser may show in place. HTML, SVG and scripts are text here: users own them, and this
/// origin's cookies are not theirs.
constexpr SuffixType kTypes[] = {
    {".png", "image/png"},       {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},     {".gif", "image/gif"},
    {".webp", "image/webp"},     {".bmp", "image/bmp"},
    {".mp3", "audio/mpeg"},      {".wav", "audio/wav"},
    {".flac", "audio/flac"},     {".ogg", "audio/ogg"},
    {".mp4", "video/mp4"},       {".webm", "video/webm"},
    {".pdf", "application/pdf"}, {".json", "application/json; charset=utf-8"}};

std::string content_type_of(std::string_view path, const hub::FileAnswer& file) {
  std::string lower = to_lower(path);
  for (const SuffixType& known : kTypes) {
    if (lower.ends_with(known.suffix)) return std::string(known.type);
  }
  return file.large ? "application/octet-stream" : "text/plain; charset=utf-8";
}

/// `inline; filename*=UTF-8''n%C3%A4me; filename="name";`: the client's pattern wants the last ';'.
std::string content_disposition(std::string_view path, bool as_download) {
  size_t slash = path.rfind('/');
  std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  std::string plain;
  for (char c : name) {
    bool fine = c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
    plain += fine ? c : '_';
  }
  return std::string(as_download ? "attachment" : "inline") + "; filename*=UTF-8''" +
         percent_encode(name) + "; filename=\"" + plain + "\";";
}

std::string read_token_url(const Call& call, const std::string& commit_oid) {
  return call.url("/api/" + std::string(hub::api_plural(call.repo().type)) + "/" +
                  call.repo().repo_id.full() + "/xet-read-token/" + commit_oid);
}

/// What tells Xet clients where the chunks are (xet 5.2).
void add_xet_headers(http::Response& response, const Call& call, const std::string& commit_oid,
                     const std::string& xet_hash) {
  std::string refresh = read_token_url(call, commit_oid);
  response.headers.set(http::kXetHash, xet_hash);
  response.headers.set(http::kXetRefreshRoute, refresh);
  response.headers.set(http::kLink, "<" + refresh + ">; rel=\"xet-auth\", <" +
                                        call.url("/cas/v1/reconstructions/" + xet_hash) +
                                        ">; rel=\"xet-reconstruction-info\"");
}

/// A missing file in a revision that exists: the commit goes along, from which clients remember
/// that the file is not there (hub-api trap 13).
http::Response entry_not_found(const std::string& commit_oid) {
  json::object body;
  body["error"] = "Entry not found";
  http::Response response = reply(body, 404);
  response.headers.set(http::kErrorCode, "EntryNotFound");
  response.headers.set(http::kErrorMessage, "Entry not found");
  response.headers.set(http::kRepoCommit, commit_oid);
  return response;
}

void count_download(Call& call, std::string_view path) {
  call.services.downloads->count_file(
      call.repo(), path, call.identity ? call.identity->user_id : call.remote_address());
}

http::Response answer_file(Call& call, bool raw) {
  const std::string& path = call.param("path");
  hub::Contents& contents = *call.services.contents;
  hub::Revision revision = contents.resolve(call.repo(), call.param("rev"));
  bool head_only = call.head.method == "HEAD";
  auto file =
      contents.find_file(call.repo(), revision, path, {.raw = raw, .with_source = !head_only});
  if (!file) return entry_not_found(revision.commit_oid);
  if (!raw) count_download(call, path);

  const hub::LargeInfo* large = !raw && file->large ? &*file->large : nullptr;
  std::string etag = "\"" + (large != nullptr ? large->sha256 : file->blob_oid) + "\"";
  std::string xet_hash = large != nullptr ? large->xet_hash : "";
  auto add_headers = [&](http::Response& response) {
    response.headers.set(http::kRepoCommit, revision.commit_oid);
    response.headers.set(http::kContentTypeOptions, "nosniff");
    response.headers.set(http::kContentSecurityPolicy, "default-src 'none'; sandbox");
    response.headers.set(http::kVary, "Authorization, Cookie, Accept");
    // A commit's file never changes, a branch's may; who may read it is asked again either way.
    response.headers.set(http::kCacheControl, "private, no-cache");
    if (large != nullptr) {
      response.headers.set(http::kLinkedEtag, etag);
      response.headers.set(http::kLinkedSize, std::to_string(large->size_bytes));
    }
    if (!xet_hash.empty()) add_xet_headers(response, call, revision.commit_oid, xet_hash);
    if (!call.query.has("noContentDisposition")) {
      response.headers.set(http::kContentDisposition,
                           content_disposition(path, call.query.flag("download")));
    }
  };

  auto accept = call.head.headers.get(http::kAccept);
  if (!xet_hash.empty() && accept && accept->find(kXetFileInfo) != std::string_view::npos) {
    // @huggingface/hub asks so, and reads the headers only (hub-api 6.3).
    json::object info{{"hash", xet_hash},
                      {"refreshUrl", read_token_url(call, revision.commit_oid)},
                      {"reconstructionUrl", call.url("/cas/v1/reconstructions/" + xet_hash)}};
    http::Response response = http::Response::bytes(json::serialize(info), kXetFileInfo);
    add_headers(response);
    response.headers.set(http::kEtag, etag);
    return response;
  }

  std::shared_ptr<const blob::Source> source = std::move(file->source);
  http::Ranged thing;
  thing.empty_as_range = true;
  thing.size_bytes = file->size_bytes;
  thing.etag = etag;
  thing.content_type = raw ? "text/plain; charset=utf-8" : content_type_of(path, *file);
  if (!head_only) {
    thing.append = [&source](http::ByteRange range, http::Body& body) {
      append_source(source, range, body);
    };
  }
  if (head_only) {
    http::Response response = http::Response::empty(200);
    response.headers.set(http::kEtag, etag);
    response.headers.set(http::kAcceptRanges, "bytes");
    response.headers.set(http::kContentType, thing.content_type);
    response.headers.set(http::kContentLength, std::to_string(thing.size_bytes));
    add_headers(response);
    return response;
  }
  http::Response response = http::serve_ranged(call.head, thing);
  add_headers(response);
  return response;
}

http::Response resolve(Call& call) {
  return answer_file(call, false);
}

http::Response raw(Call& call) {
  return answer_file(call, true);
}

http::Response safetensors_metadata(Call& call) {
  hub::Revision revision = call.services.contents->resolve(call.repo(), "HEAD");
  http::Response response = http::Response::json(hub::safetensors_metadata(
      *call.services.contents, call.repo(), revision, call.param("path")));
  response.headers.set("X-Repo-Commit", revision.commit_oid);
  return response;
}

constexpr std::array kFileQuery = {
    QueryParameter{.name = "download",
                   .type = QueryParameter::Type::kFlag,
                   .what = "Whether browsers save the file and do not show it."},
    QueryParameter{.name = "noContentDisposition",
                   .type = QueryParameter::Type::kFlag,
                   .what = "The answer names no file, for clients that choose a name themselves."},
};

constexpr std::array kRoutes = {
    Route{.method = "GET",
          .pattern = "/{prefix}/{repo}/resolve/{rev}/{path*}",
          .allow = Allow::kRepoFiles,
          .handler = resolve,
          .summary = "A file's content; ranges, HEAD, and what Xet clients need to fetch chunks.",
          .source = "huggingface_hub file_download.py; @huggingface/hub file-download-info",
          .query = kFileQuery,
          .answer = "*/*|application/vnd.xet-fileinfo+json XetFileInfo",
          .answer_headers = "ETag X-Repo-Commit Accept-Ranges? Content-Disposition? X-Linked-ETag? "
                            "X-Linked-Size? X-Xet-Hash? X-Xet-Refresh-Route? Link?",
          .rate = RateClass::kResolvers},
    Route{.method = "GET",
          .pattern = "/{prefix}/{repo}/raw/{rev}/{path*}",
          .allow = Allow::kRepoFiles,
          .handler = raw,
          .summary = "A file as git has it: of a large file the pointer.",
          .source = "@huggingface/hub file-exists",
          .query = kFileQuery,
          .answer = "text/plain",
          .answer_headers = "ETag X-Repo-Commit Accept-Ranges? Content-Disposition?",
          .rate = RateClass::kResolvers},
    Route{.method = "GET",
          .pattern = "/api/models/{repo}/safetensors-metadata/{path*}",
          .allow = Allow::kRepoFiles,
          .handler = safetensors_metadata,
          .summary = "The headers of all shards that a safetensors index on main names.",
          .source = "huggingface_hub hf_api.py get_sharded_safetensors_metadata",
          .answer = "SafetensorsMetadata",
          .answer_headers = "X-Repo-Commit"},
    Route{.method = "GET",
          .pattern = "/api/resolve-cache/{types}/{repo}/{rev}/{path*}",
          .allow = Allow::kRepoFiles,
          .handler = resolve,
          .summary = "The same file; kept for clients that remember this address.",
          .source = "hf-operations.tsv",
          .query = kFileQuery,
          .answer = "*/*|application/vnd.xet-fileinfo+json XetFileInfo",
          .answer_headers = "ETag X-Repo-Commit Accept-Ranges? Content-Disposition? X-Linked-ETag? "
                            "X-Linked-Size? X-Xet-Hash? X-Xet-Refresh-Route? Link?",
          .rate = RateClass::kResolvers},
};

}  // namespace

std::span<const Route> file_routes() {
  return kRoutes;
}

}  // namespace hearth::api
