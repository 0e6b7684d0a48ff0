#include "http/head_parser.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/text.h"

namespace hearth::http {
namespace {

template <typename T>
using Read = tl::expected<T, Refusal>;
using Failure = tl::unexpected<Refusal>;

constexpr size_t kMethodBytesMax = 32;
constexpr size_t kRequestIdBytesMax = 128;

Failure refuse(int status, std::string message) {
  return Failure(Refusal{status, std::move(message)});
}

// Reads "GET /x HTTP/1.1" into the head.
std::optional<Refusal> read_request_line(std::string_view line, const Limits& limits,
                                         RequestHead& head);
// Splits the target into host (absolute form), path and query.
std::optional<Refusal> read_target(std::string_view target, RequestHead& head);
std::optional<Refusal> read_field(std::string_view line, Headers& headers);
// Host, Content-Length and Transfer-Encoding: what decides where the request goes and ends.
std::optional<Refusal> read_framing(RequestHead& head, bool absolute_form);
bool is_host(std::string_view text);

}  // namespace

tl::expected<std::optional<HeadEnd>, Refusal> find_head_end(std::string_view received,
                                                            size_t& searched,
                                                            const Limits& limits) {
  // The longest method, and 32 bytes for the version and the blanks.
  const size_t line_bytes_max = limits.target_bytes_max + kMethodBytesMax + 32;
  if (received.size() > line_bytes_max &&
      received.substr(0, line_bytes_max).find('\n') == std::string_view::npos) {
    return refuse(414, "The request target is too long.");
  }
  while (true) {
    size_t line_feed = received.find('\n', searched);
    if (line_feed == std::string_view::npos) {
      searched = received.size();
      break;
    }
    if (line_feed == 0 || received[line_feed - 1] != '\r') {
      return refuse(400, "A line of the request does not end in CR LF.");
    }
    searched = line_feed + 1;
    if (searched > limits.head_bytes_max) break;
    if (searched >= 4 && received[searched - 3] == '\n') {
      return std::optional<HeadEnd>(HeadEnd{searched});
    }
  }
  if (searched > limits.head_bytes_max) return refuse(431, "The request headers are too large.");
  return std::optional<HeadEnd>();
}

tl::expected<RequestHead, Refusal> parse_request_head(std::string_view text, const Limits& limits) {
  RequestHead head;
  size_t line_end = text.find("\r\n");
  if (line_end == std::string_view::npos) return refuse(400, "The request line is incomplete.");
  if (auto refusal = read_request_line(text.substr(0, line_end), limits, head)) {
    return Failure(std::move(*refusal));
  }
  text.remove_prefix(line_end + 2);
  while (true) {
    line_end = text.find("\r\n");
    if (line_end == std::string_view::npos) return refuse(400, "The headers are incomplete.");
    if (line_end == 0) break;
    if (head.headers.fields().size() >= limits.header_count_max) {
      return refuse(431, "The request has too many headers.");
    }
    if (auto refusal = read_field(text.substr(0, line_end), head.headers)) {
      return Failure(std::move(*refusal));
    }
    text.remove_prefix(line_end + 2);
  }
  bool absolute_form = !head.host.empty();
  if (auto refusal = read_framing(head, absolute_form)) return Failure(std::move(*refusal));
  return head;
}

bool wants_keep_alive(const RequestHead& head) {
  bool close = false;
  bool keep = head.http_version == "1.1";
  for (std::string_view value : head.headers.get_all(kConnection)) {
    if (list_has(value, "close")) close = true;
    if (list_has(value, "keep-alive")) keep = true;
  }
  return keep && !close;
}

std::string choose_request_id(const Headers& headers) {
  for (std::string_view name : {kTraceId, kRequestId}) {
    auto value = headers.get(name);
    if (!value || value->empty() || value->size() > kRequestIdBytesMax) continue;
    bool plain = std::all_of(value->begin(), value->end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             std::string_view("-_.:=;/+").find(c) != std::string_view::npos;
    });
    if (plain) return std::string(*value);
  }
  return to_hex(random_bytes(16));
}

bool is_token(std::string_view text) {
  static constexpr auto kAllowed = [] {
    std::array<bool, 256> allowed{};
    for (char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
      allowed[static_cast<unsigned char>(c)] = true;
    }
    return allowed;
  }();
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return kAllowed[static_cast<unsigned char>(c)];
  });
}

bool list_has(std::string_view list, std::string_view token) {
  for (std::string_view element : split(list, ',')) {
    if (equals_ignoring_case(trim(element), token)) return true;
  }
  return false;
}

namespace {

std::optional<Refusal> read_request_line(std::string_view line, const Limits& limits,
                                         RequestHead& head) {
  size_t first = line.find(' ');
  size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return Refusal{400, "The request line is not METHOD target HTTP/1.1."};
  }
  std::string_view method = line.substr(0, first);
  std::string_view target = line.substr(first + 1, last - first - 1);
  std::string_view version = line.substr(last + 1);
  if (method.size() > kMethodBytesMax || !is_token(method)) {
    return Refusal{400, "The request method is malformed."};
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    bool http = version.size() == 8 && version.starts_with("HTTP/");
    return Refusal{http ? 505 : 400, "Only HTTP/1.1 and HTTP/1.0 are spoken here."};
  }
  if (target.size() > limits.target_bytes_max) {
    return Refusal{414, "The request target is too long."};
  }
  // Bytes from 0x80 are let through: curl sends paths as the user typed them.
  bool clean = std::all_of(target.begin(), target.end(), [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f && byte != '#';
  });
  if (!clean) return Refusal{400, "The request target has a character that must be encoded."};
  head.method = method;
  head.http_version = version.substr(5);
  return read_target(target, head);
}

std::optional<Refusal> read_target(std::string_view target, RequestHead& head) {
  if (head.method == "CONNECT") return Refusal{501, "This server is not a proxy."};
  if (target == "*") {
    if (head.method != "OPTIONS") return Refusal{400, "Only OPTIONS may ask for *."};
    head.target = head.raw_path = "*";
    return std::nullopt;
  }
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!equals_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    size_t end = std::min(target.find_first_of("/?"), target.size());
    if (end == 0 || !is_host(target.substr(0, end))) {
      return Refusal{400, "The host of the request target is malformed."};
    }
    head.host = target.substr(0, end);
    target.remove_prefix(end);
    head.target = target.starts_with('/') ? "" : "/";
    head.target += target;
    break;
  }
  if (head.target.empty()) {
    if (!target.starts_with('/')) return Refusal{400, "The request target must start with '/'."};
    head.target = target;
  }
  std::string_view whole = head.target;
  size_t mark = whole.find('?');
  head.raw_path = whole.substr(0, mark);
  if (mark != std::string_view::npos) head.raw_query = whole.substr(mark + 1);
  return std::nullopt;
}

std::optional<Refusal> read_field(std::string_view line, Headers& headers) {
  if (line.front() == ' ' || line.front() == '\t') {
    return Refusal{400, "Folded headers are not accepted."};
  }
  size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return Refusal{400, "A header line is malformed."};
  }
  std::string_view value = line.substr(colon + 1);
  bool clean = std::all_of(value.begin(), value.end(), [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
  });
  if (!clean) return Refusal{400, "A header value has a control character."};
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  headers.add_raw(std::string(line.substr(0, colon)), std::string(value));
  return std::nullopt;
}

std::optional<Refusal> read_framing(RequestHead& head, bool absolute_form) {
  // Two of these would let us and a proxy before us read different requests.
  for (std::string_view name : {kHost, kContentLength, kTransferEncoding, kAuthorization,
                                kContentType, kContentEncoding, kRange, kExpect}) {
    if (head.headers.get_all(name).size() > 1) {
      return Refusal{400, "The header " + std::string(name) + " occurs twice."};
    }
  }
  auto host = head.headers.get(kHost);
  if (!host && head.http_version == "1.1") return Refusal{400, "The Host header is missing."};
  if (host && !host->empty() && !is_host(*host)) {
    return Refusal{400, "The Host header is malformed."};
  }
  if (host && !absolute_form) head.host = *host;  // RFC 9112, 3.2.2: the absolute form wins.

  auto length = head.headers.get(kContentLength);
  auto coding = head.headers.get(kTransferEncoding);
  if (length && coding) {
    return Refusal{400, "Content-Length and Transfer-Encoding may not stand together."};
  }
  if (coding) {
    if (head.http_version == "1.0") {
      return Refusal{400, "HTTP/1.0 has no Transfer-Encoding."};
    }
    if (!equals_ignoring_case(*coding, "chunked")) {
      return Refusal{501, "The only transfer coding known here is chunked."};
    }
    head.chunked = true;
  }
  if (length) {
    // 18 digits are enough for an exabyte and cannot overflow.
    bool digits =
        !length->empty() && length->size() <= 18 &&
        std::all_of(length->begin(), length->end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits) return Refusal{400, "The Content-Length is malformed."};
    uint64_t value = 0;
    for (char c : *length) value = value * 10 + static_cast<uint64_t>(c - '0');
    head.content_length = value;
  }
  auto expect = head.headers.get(kExpect);
  if (expect && !equals_ignoring_case(*expect, "100-continue")) {
    return Refusal{417, "The only expectation known here is 100-continue."};
  }
  return std::nullopt;
}

// Names, addresses and ports; nothing that could break out of a URL that we build from it.
bool is_host(std::string_view text) {
  return text.size() <= 255 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  std::string_view("-._:[]").find(c) != std::string_view::npos;
         });
}

}  // namespace
}  // namespace hearth::http
