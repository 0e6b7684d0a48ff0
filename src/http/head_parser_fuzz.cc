// Heads from strangers: nothing crashes, arrival in pieces changes nothing, and Beast's parser, as
// a second opinion, frames whatever we accept in the same way.

#include <cstdint>
#include <cstdlib>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "http/head_parser.h"

namespace {

namespace beast_http = boost::beast::http;

constexpr std::string_view kNeverInTarget("\r\n\t #\0", 6);
constexpr std::string_view kNeverInValue("\r\n\0", 3);

void require(bool condition) {
  if (!condition) std::abort();
}

void compare_with_beast(std::string_view text, const hearth::http::RequestHead& head) {
  beast_http::request_parser<beast_http::empty_body> parser;
  parser.header_limit(1 << 20);
  parser.body_limit(boost::none);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(text.data(), text.size()), error);
  // Beast knows fewer characters in targets, and wants Connection to be a list of tokens; neither
  // is a disagreement about framing.
  if (error && error != beast_http::error::need_more) {
    require(error == beast_http::error::bad_target ||
            (error == beast_http::error::bad_value &&
             (head.headers.has("Connection") || head.headers.has("Proxy-Connection"))));
    return;
  }
  require(parser.is_header_done());
  require(std::string_view(parser.get().method_string()) == head.method);
  require(parser.get().target().ends_with(head.target) || head.target.starts_with("/?") ||
          head.target == "/");
  require(parser.chunked() == head.chunked);
  require(parser.content_length().has_value() == head.content_length.has_value());
  if (head.content_length) require(*parser.content_length() == *head.content_length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  hearth::http::Limits limits;
  limits.head_bytes_max = 4096;
  limits.target_bytes_max = 1024;
  size_t searched = 0;
  auto end = find_head_end(text, searched, limits);

  // The same bytes, one more at a time, give the same end.
  size_t searched_slowly = 0;
  for (size_t length = 0; length <= size; ++length) {
    auto slow = find_head_end(text.substr(0, length), searched_slowly, limits);
    if (!slow || *slow) {
      require(slow.has_value() == end.has_value());
      if (slow) require(*end && (**end).length_bytes == (**slow).length_bytes);
      break;
    }
  }
  if (!end || !*end) return 0;
  std::string_view head_text = text.substr(0, (**end).length_bytes);
  auto head = parse_request_head(head_text, limits);
  if (!head) {
    require(head.error().status >= 400 && head.error().status < 600);
    return 0;
  }
  require(!(head->chunked && head->content_length));
  require(head->raw_path.starts_with('/') || head->raw_path == "*");
  require(head->target.find_first_of(kNeverInTarget) == std::string::npos);
  for (const auto& field : head->headers.fields()) {
    require(hearth::http::is_token(field.name));
    require(field.value.find_first_of(kNeverInValue) == std::string::npos);
  }
  hearth::http::choose_request_id(head->headers);
  hearth::http::wants_keep_alive(*head);
  compare_with_beast(head_text, *head);
  return 0;
}
