#pragma once
// The names of the headers that Hub clients send or read, written once.
//
// Source of each: hub-api reference, sections 1 and 2.1, and the xet reference, section 5.

#include <string_view>

namespace hearth::http {

// Sent by clients.
inline constexpr std::string_view kAuthorization = "Authorization";
inline constexpr std::string_view kAccept = "Accept";
inline constexpr std::string_view kAcceptEncoding = "Accept-Encoding";
inline constexpr std::string_view kCookie = "Cookie";
inline constexpr std::string_view kExpect = "Expect";
inline constexpr std::string_view kHost = "Host";
inline constexpr std::string_view kIfMatch = "If-Match";
inline constexpr std::string_view kIfNoneMatch = "If-None-Match";
inline constexpr std::string_view kIfRange = "If-Range";
inline constexpr std::string_view kOrigin = "Origin";
inline constexpr std::string_view kRange = "Range";
inline constexpr std::string_view kUserAgent = "User-Agent";
inline constexpr std::string_view kGitProtocol = "Git-Protocol";
inline constexpr std::string_view kTraceId = "X-Amzn-Trace-Id";  // a fresh uuid a python request
inline constexpr std::string_view kDownloadCounter = "X-HF-Download-Counter";
inline constexpr std::string_view kBillTo = "X-HF-Bill-To";
inline constexpr std::string_view kXetSessionId = "X-Xet-Session-Id";
inline constexpr std::string_view kAccessControlRequestMethod = "Access-Control-Request-Method";
inline constexpr std::string_view kAccessControlRequestHeaders = "Access-Control-Request-Headers";

// Both ways.
inline constexpr std::string_view kCacheControl = "Cache-Control";
inline constexpr std::string_view kConnection = "Connection";
inline constexpr std::string_view kContentEncoding = "Content-Encoding";
inline constexpr std::string_view kContentLength = "Content-Length";
inline constexpr std::string_view kContentType = "Content-Type";
inline constexpr std::string_view kTransferEncoding = "Transfer-Encoding";
inline constexpr std::string_view kRequestId = "X-Request-Id";

// Read by clients.
inline constexpr std::string_view kAcceptRanges = "Accept-Ranges";
inline constexpr std::string_view kAllow = "Allow";
inline constexpr std::string_view kContentDisposition = "Content-Disposition";
inline constexpr std::string_view kContentRange = "Content-Range";
inline constexpr std::string_view kContentSecurityPolicy = "Content-Security-Policy";
inline constexpr std::string_view kDate = "Date";
inline constexpr std::string_view kEtag = "ETag";
inline constexpr std::string_view kLastModified = "Last-Modified";
inline constexpr std::string_view kLink = "Link";
inline constexpr std::string_view kLocation = "Location";
inline constexpr std::string_view kRateLimit = "RateLimit";
inline constexpr std::string_view kRateLimitPolicy = "RateLimit-Policy";
inline constexpr std::string_view kRetryAfter = "Retry-After";
inline constexpr std::string_view kSetCookie = "Set-Cookie";
inline constexpr std::string_view kVary = "Vary";
inline constexpr std::string_view kWwwAuthenticate = "WWW-Authenticate";
inline constexpr std::string_view kContentTypeOptions = "X-Content-Type-Options";
inline constexpr std::string_view kErrorCode = "X-Error-Code";
inline constexpr std::string_view kErrorMessage = "X-Error-Message";
inline constexpr std::string_view kWarning = "X-HF-Warning";
inline constexpr std::string_view kLinkedEtag = "X-Linked-Etag";
inline constexpr std::string_view kLinkedSize = "X-Linked-Size";
inline constexpr std::string_view kRepoCommit = "X-Repo-Commit";
inline constexpr std::string_view kRevision = "X-Revision";
inline constexpr std::string_view kTotalCount = "X-Total-Count";
inline constexpr std::string_view kXetHash = "X-Xet-Hash";
inline constexpr std::string_view kXetRefreshRoute = "X-Xet-Refresh-Route";
inline constexpr std::string_view kXetCasUrl = "X-Xet-Cas-Url";
inline constexpr std::string_view kXetAccessToken = "X-Xet-Access-Token";
inline constexpr std::string_view kXetTokenExpiration = "X-Xet-Token-Expiration";
inline constexpr std::string_view kAccessControlAllowCredentials =
    "Access-Control-Allow-Credentials";
inline constexpr std::string_view kAccessControlAllowHeaders = "Access-Control-Allow-Headers";
inline constexpr std::string_view kAccessControlAllowMethods = "Access-Control-Allow-Methods";
inline constexpr std::string_view kAccessControlAllowOrigin = "Access-Control-Allow-Origin";
inline constexpr std::string_view kAccessControlExposeHeaders = "Access-Control-Expose-Headers";
inline constexpr std::string_view kAccessControlMaxAge = "Access-Control-Max-Age";

}  // namespace hearth::http
