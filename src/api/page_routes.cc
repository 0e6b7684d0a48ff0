// The pages for people: each row answers the site's shell, which then reads the public API. What
// goes wrong on the way (no such repository, not set up yet) is told by the page, with its status.

#include <array>

#include "api/api.h"
#include "api/page.h"
#include "http/compress.h"
#include "http/headers.h"
#include "http/range.h"
#include "pages/pages.h"

namespace hearth::api {
namespace {

// No script but our files, and nothing from elsewhere; `img-src data: blob:` is for pictures in
// cards and for diagrams, which the page draws itself. Styles: Mermaid measures its drawing with
// style elements of its own, and cards lose theirs to the sanitiser before they reach the page.
constexpr std::string_view kPolicy =
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

http::Response asset_reply(const http::RequestHead& head, const pages::Asset& asset, int status) {
  const std::string_view accepted = head.headers.get(http::kAcceptEncoding).value_or("");
  std::string_view bytes = asset.plain;
  std::string_view coding;
  if (!asset.brotli.empty() && http::accepts_coding(accepted, "br")) {
    bytes = asset.brotli;
    coding = "br";
  } else if (!asset.gzip.empty() && http::accepts_coding(accepted, "gzip")) {
    bytes = asset.gzip;
    coding = "gzip";
  }
  // Each encoding has an ETag of its own: a strong one names the bytes that are sent.
  std::string etag = "\"" + std::string(asset.hash);
  if (!coding.empty()) etag += "-" + std::string(coding);
  etag += '"';
  const auto known = head.headers.get(http::kIfNoneMatch);
  const bool unchanged = status == 200 && known && http::etag_listed(*known, etag);
  http::Response response =
      unchanged ? http::Response::empty(304)
                : http::Response::bytes(std::string(bytes), asset.content_type, status);
  if (!coding.empty() && !unchanged) response.headers.set("Content-Encoding", coding);
  // Not of an error: the page may be there the next time, and a 304 would keep the browser's
  // status.
  if (status == 200) response.headers.set(http::kEtag, etag);
  response.headers.set(http::kVary, "Accept-Encoding");
  response.headers.set(http::kContentTypeOptions, "nosniff");
  response.headers.set(http::kCacheControl,
                       asset.is_immutable ? "public, max-age=31536000, immutable" : "no-cache");
  return response;
}

http::Response shell(Call& call) {
  return page_shell(call.head, {.is_signed_in = person_of(call) != nullptr});
}

http::Response asset(Call& call) {
  const pages::Asset* found = pages::find("_app/" + call.param("path"));
  if (found == nullptr) throw Error(ErrorKind::kNotFound, "There is nothing at this address.");
  http::Response response = asset_reply(call.head, *found, 200);
  // Nobody opens these as a page; whoever tries gets no right of this origin.
  response.headers.set(http::kContentSecurityPolicy,
                       "default-src 'none'; style-src 'unsafe-inline'");
  return response;
}

constexpr std::string_view kReader = "a browser; web/";

constexpr Route page_row(std::string_view pattern, Allow allow, std::string_view summary) {
  return {.method = "GET",
          .pattern = pattern,
          .allow = allow,
          .handler = shell,
          .summary = summary,
          .source = kReader,
          .answer = "text/html",
          .rate = RateClass::kPages,
          .any_credential = allow == Allow::kAnyone,
          .is_page = true};
}

constexpr std::array kRoutes = {
    page_row("/", Allow::kAnyone, "The home page: what is new, and what is used."),
    page_row("/{types}", Allow::kAnyone, "The page that lists repositories of a type."),
    page_row("/{prefix}/{repo}", Allow::kRepoSee, "A repository's page, with its card."),
    page_row("/{prefix}/{repo}/tree/{rev}", Allow::kRepoSee, "The page of its files."),
    page_row("/{prefix}/{repo}/tree/{rev}/{path*}", Allow::kRepoSee, "The page of a folder."),
    page_row("/{prefix}/{repo}/blob/{rev}/{path*}", Allow::kRepoSee, "The page of a file."),
    page_row("/{prefix}/{repo}/commits/{rev}", Allow::kRepoSee, "The page of its history."),
    Route{.method = "GET",
          .pattern = "/_app/{path*}",
          .allow = Allow::kAnyone,
          .handler = asset,
          .summary = "A script, style, font or picture of the pages.",
          .source = kReader,
          .answer = "*/*",
          .answer_headers = "ETag",
          .rate = RateClass::kNone,
          .any_credential = true},
};

}  // namespace

http::Response page_shell(const http::RequestHead& head, const ShellOptions& options) {
  http::Response response = asset_reply(head, pages::shell(options.is_signed_in), options.status);
  response.headers.set(http::kVary, "Accept-Encoding, Cookie");
  response.headers.set(http::kContentSecurityPolicy, kPolicy);
  response.headers.set("Referrer-Policy", "same-origin");
  response.headers.set("Cross-Origin-Opener-Policy", "same-origin");
  return response;
}

std::span<const Route> page_routes() {
  return kRoutes;
}

}  // namespace hearth::api
