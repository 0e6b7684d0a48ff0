#pragma once
// Range requests and conditional requests (RFC 9110, sections 13 and 14).

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/http.h"

namespace hearth::http {

/// Bytes [offset_bytes, offset_bytes + length_bytes) of something; never empty, always inside.
struct ByteRange {
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;
  bool operator==(const ByteRange&) const = default;
};

struct RangeOptions {
  /// More ranges than this: the header is ignored. hf-xet asks for up to about 500 at once.
  size_t range_count_max = 16;
};

/// What a Range header means for something of `size_bytes`.
struct RangeRequest {
  enum class Kind {
    kNone,           // No, malformed, foreign unit or too many: answer 200 with everything.
    kRanges,         // Answer 206 with `ranges`, in the order asked.
    kUnsatisfiable,  // Answer 416.
  };
  Kind kind = Kind::kNone;
  std::vector<ByteRange> ranges;
};

/// Reads the value of a Range header. Ranges past the end are cut or dropped (RFC 9110, 14.1.2);
/// several ranges that overlap so that they ask for over twice the size are ignored.
RangeRequest parse_range_header(std::string_view value, uint64_t size_bytes,
                                RangeOptions options = {});

/// "bytes 0-9/100"
std::string content_range(ByteRange range, uint64_t size_bytes);

/// Appends the parts that hold `range` to a body (a FileRange, or a generator).
using AppendRange = std::function<void(ByteRange range, Body& body)>;

/// A 206 answer of several ranges: CRLF, a fresh 40-character boundary, one part a range, in order,
/// none merged (JS counts the parts; the Rust client searches for the boundary; xet 5.4).
Response multipart_byteranges(std::span<const ByteRange> ranges, uint64_t size_bytes,
                              std::string_view content_type, const AppendRange& append);

/// A thing that can be read by ranges.
struct Ranged {
  uint64_t size_bytes = 0;
  std::string etag;  // Quoted ("\"…\""); empty: none.
  std::string content_type = "application/octet-stream";
  /// Answers a range of an empty thing with 200, all of it, instead of 416: @huggingface/hub asks
  /// for bytes 0-0 of each file first, and takes 416 for a failure (hub-api 6.3).
  bool empty_as_range = false;
  AppendRange append;
  RangeOptions options;
};

/// 200, 206 (one range or multipart), 304 (If-None-Match) or 416, with ETag, Accept-Ranges,
/// Content-Type and Content-Range. If-Range is honoured. Range counts for GET and HEAD alike:
/// clients that probe with HEAD send none.
Response serve_ranged(const RequestHead& head, const Ranged& thing);

/// Whether `etag` is in a list of an If-Match or If-None-Match header; compares weakly ("*" too).
bool etag_listed(std::string_view header, std::string_view etag);

}  // namespace hearth::http
