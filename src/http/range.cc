#include "http/range.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/text.h"

namespace hearth::http {
namespace {

// As hub-api's xet reference asks: 32 or more, because the Rust client searches for it.
constexpr size_t kBoundaryLength = 40;

// Digits only; more than fit are "very large", which is legal for an end.
std::optional<uint64_t> read_number(std::string_view text);
bool same_strong(std::string_view a, std::string_view b);
std::string_view without_weak_mark(std::string_view etag);

}  // namespace

RangeRequest parse_range_header(std::string_view value, uint64_t size_bytes, RangeOptions options) {
  constexpr std::string_view kUnit = "bytes=";
  RangeRequest none;
  value = trim(value);
  if (!equals_ignoring_case(value.substr(0, kUnit.size()), kUnit)) return none;
  value.remove_prefix(kUnit.size());

  RangeRequest request;
  size_t asked_count = 0;
  uint64_t total_bytes = 0;
  for (std::string_view spec : split(value, ',')) {
    spec = trim(spec);
    if (spec.empty()) continue;  // Empty list elements are legal (RFC 9110, 5.6.1).
    if (++asked_count > options.range_count_max) return none;
    size_t dash = spec.find('-');
    if (dash == std::string_view::npos) return none;
    std::string_view first_text = spec.substr(0, dash);
    std::string_view last_text = spec.substr(dash + 1);
    ByteRange range;
    if (first_text.empty()) {
      auto suffix_bytes = read_number(last_text);
      if (!suffix_bytes) return none;
      range.length_bytes = std::min(*suffix_bytes, size_bytes);
      range.offset_bytes = size_bytes - range.length_bytes;
    } else {
      auto first = read_number(first_text);
      auto last = last_text.empty() ? std::optional(UINT64_MAX) : read_number(last_text);
      if (!first || !last || *first > *last) return none;
      if (*first >= size_bytes) continue;
      range.offset_bytes = *first;
      range.length_bytes = std::min(*last, size_bytes - 1) - *first + 1;
    }
    if (range.length_bytes == 0) continue;
    // Both are at most size_bytes, and a size is far below 2^63.
    total_bytes += range.length_bytes;
    if (request.ranges.size() >= 1 && total_bytes / 2 > size_bytes) return none;
    request.ranges.push_back(range);
  }
  if (asked_count == 0) return none;
  request.kind =
      request.ranges.empty() ? RangeRequest::Kind::kUnsatisfiable : RangeRequest::Kind::kRanges;
  return request;
}

std::string content_range(ByteRange range, uint64_t size_bytes) {
  return fmt::format("bytes {}-{}/{}", range.offset_bytes,
                     range.offset_bytes + range.length_bytes - 1, size_bytes);
}

Response multipart_byteranges(std::span<const ByteRange> ranges, uint64_t size_bytes,
                              std::string_view content_type, const AppendRange& append) {
  std::string boundary = random_alphanumeric(kBoundaryLength);
  Response response;
  response.status = 206;
  response.headers.set(kContentType, "multipart/byteranges; boundary=" + boundary);
  // The type goes through the header's checks before it stands inside the body.
  Headers checked{{kContentType, content_type}};
  std::string type = checked.fields().front().value;
  std::string_view line_break;
  for (const ByteRange& range : ranges) {
    response.body.emplace_back(
        fmt::format("{}--{}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n", line_break, boundary,
                    type, content_range(range, size_bytes)));
    append(range, response.body);
    line_break = "\r\n";
  }
  response.body.emplace_back(fmt::format("\r\n--{}--\r\n", boundary));
  return response;
}

Response serve_ranged(const RequestHead& head, const Ranged& thing) {
  auto common = [&](Response& response) {
    response.headers.set(kAcceptRanges, "bytes");
    if (!thing.etag.empty()) response.headers.set(kEtag, thing.etag);
  };
  auto listed = head.headers.get(kIfNoneMatch);
  if (listed && !thing.etag.empty() && etag_listed(*listed, thing.etag)) {
    Response response = Response::empty(304);
    common(response);
    return response;
  }
  RangeRequest wanted;
  if (auto value = head.headers.get(kRange)) {
    auto condition = head.headers.get(kIfRange);
    if (!condition || (!thing.etag.empty() && same_strong(*condition, thing.etag))) {
      wanted = parse_range_header(*value, thing.size_bytes, thing.options);
    }
  }
  Response response;
  switch (wanted.kind) {
    case RangeRequest::Kind::kNone:
      response.headers.set(kContentType, thing.content_type);
      if (thing.size_bytes > 0) {
        thing.append({0, thing.size_bytes}, response.body);
      } else {
        response.body.emplace_back(std::string());
      }
      break;
    case RangeRequest::Kind::kUnsatisfiable:
      if (thing.size_bytes == 0 && thing.empty_as_range) {
        // Whoever asks for the first byte of an empty file gets the whole of it.
        response.headers.set(kContentType, thing.content_type);
        response.headers.set(kContentRange, "bytes 0-0/0");
        response.body.emplace_back(std::string());
        break;
      }
      response = Response::text("The range is not satisfiable.\n", 416);
      response.headers.set(kContentRange, fmt::format("bytes */{}", thing.size_bytes));
      break;
    case RangeRequest::Kind::kRanges:
      if (wanted.ranges.size() > 1) {
        response =
            multipart_byteranges(wanted.ranges, thing.size_bytes, thing.content_type, thing.append);
        break;
      }
      response.status = 206;
      response.headers.set(kContentType, thing.content_type);
      response.headers.set(kContentRange, content_range(wanted.ranges.front(), thing.size_bytes));
      thing.append(wanted.ranges.front(), response.body);
      break;
  }
  common(response);
  return response;
}

bool etag_listed(std::string_view header, std::string_view etag) {
  if (trim(header) == "*") return true;
  // Our tags are hex in quotes, so a comma never stands inside one that could match.
  for (std::string_view element : split(header, ',')) {
    if (without_weak_mark(trim(element)) == without_weak_mark(etag)) return true;
  }
  return false;
}

namespace {

std::optional<uint64_t> read_number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    auto digit = static_cast<uint64_t>(c - '0');
    value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
  }
  return value;
}

bool same_strong(std::string_view a, std::string_view b) {
  return trim(a) == b && !b.starts_with("W/");
}

std::string_view without_weak_mark(std::string_view etag) {
  return etag.starts_with("W/") ? etag.substr(2) : etag;
}

}  // namespace
}  // namespace hearth::http
