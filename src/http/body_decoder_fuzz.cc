// Chunked bodies from strangers: nothing crashes, arrival in pieces changes nothing, and what we
// accept Beast's parser accepts with the same bytes and the same end.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "http/body_decoder.h"

namespace {

namespace beast_http = boost::beast::http;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Decoded {
  std::string body;
  size_t used_bytes = 0;
  bool done = false;
  bool failed = false;
};

Decoded decode(std::string_view wire, size_t step, size_t room) {
  auto decoder = hearth::http::BodyDecoder::chunked(hearth::http::Limits{});
  Decoded result;
  std::vector<uint8_t> out(room);
  while (result.used_bytes < wire.size() && !decoder.done()) {
    std::string_view input = wire.substr(result.used_bytes, step);
    const size_t before = input.size();
    auto count = decoder.decode(input, out);
    if (!count) {
      result.failed = true;
      return result;
    }
    require(*count <= room && (*count > 0 || input.size() < before));
    result.body.append(out.begin(), out.begin() + static_cast<ptrdiff_t>(*count));
    result.used_bytes += before - input.size();
  }
  result.done = decoder.done();
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t step = data[0] % 16 + 1;
  const size_t room = data[1] % 32 + 1;
  std::string_view wire(reinterpret_cast<const char*>(data) + 2, size - 2);
  Decoded whole = decode(wire, size, size);
  Decoded pieces = decode(wire, step, room);
  require(whole.failed == pieces.failed);
  if (whole.failed) return 0;
  require(whole.body == pieces.body && whole.done == pieces.done);
  if (!whole.done) return 0;
  require(whole.used_bytes == pieces.used_bytes);

  beast_http::request_parser<beast_http::string_body> parser;
  parser.eager(true);
  boost::system::error_code error;
  const std::string head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string text = head + std::string(wire.substr(0, whole.used_bytes));
  size_t used = parser.put(boost::asio::buffer(text), error);
  while (!error && !parser.is_done() && used < text.size()) {
    size_t count = parser.put(boost::asio::buffer(text.data() + used, text.size() - used), error);
    if (count == 0) break;
    used += count;
  }
  // Trailers that are no header fields we drop unread; Beast refuses them.
  if (error == beast_http::error::bad_field || error == beast_http::error::bad_value ||
      error == beast_http::error::bad_chunk_extension ||
      error == beast_http::error::bad_line_ending ||
      error == beast_http::error::bad_content_length ||
      error == beast_http::error::bad_transfer_encoding) {
    return 0;
  }
  require(!error);
  require(parser.is_done() && used == text.size());
  require(parser.get().body() == whole.body);
  return 0;
}
