// Range headers from strangers: whatever is asked, the answer stays inside the file.

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "http/compress.h"
#include "http/range.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint64_t size_bytes = 0;
  if (size < sizeof size_bytes) return 0;
  std::memcpy(&size_bytes, data, sizeof size_bytes);
  size_bytes >>= 1 + size_bytes % 63;  // File sizes of every magnitude below 2^63.
  std::string value(reinterpret_cast<const char*>(data) + sizeof size_bytes,
                    size - sizeof size_bytes);
  using hearth::http::RangeRequest;
  RangeRequest request = hearth::http::parse_range_header(value, size_bytes);
  require(request.ranges.size() <= 16);
  require((request.kind == RangeRequest::Kind::kRanges) == !request.ranges.empty());
  for (const auto& range : request.ranges) {
    require(range.length_bytes > 0 && range.offset_bytes < size_bytes);
    require(range.length_bytes <= size_bytes - range.offset_bytes);
    // What we write about a range reads back as that range.
    std::string written = hearth::http::content_range(range, size_bytes);
    std::string again = "bytes=" + written.substr(6, written.find('/') - 6);
    RangeRequest reread = hearth::http::parse_range_header(again, size_bytes);
    require(reread.ranges.size() == 1 && reread.ranges[0] == range);
  }
  hearth::http::accepts_coding(value, "gzip");
  hearth::http::etag_listed(value, "\"abc\"");
  // Header values go out clean, whatever they were.
  hearth::http::Headers headers{{"X", value}};
  const std::string clean(*headers.get("X"));
  for (char c : clean) require(static_cast<unsigned char>(c) >= 0x20 || c == '\t');
  return 0;
}
