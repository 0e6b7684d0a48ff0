#pragma once
// Writes the head of a response and decides how its body is framed.

#include <string>
#include <string_view>

#include "http/http.h"

namespace hearth::http {

/// How the receiver knows where the body ends.
enum class Framing { kNoBody, kLength, kChunked, kUntilClose };

/// What the head of a response depends on besides the response.
struct Exchanged {
  std::string_view method;
  std::string_view request_id;
  std::string_view date;  // As http_date() gives it.
  bool http_1_0 = false;
  bool keep_alive = true;  // False when the connection must close after this response.
};

struct ResponseHead {
  std::string text;  // With the empty line.
  Framing framing = Framing::kNoBody;
  uint64_t length_bytes = 0;  // For kLength.
  bool keep_alive = true;     // False also for kUntilClose.
};

ResponseHead write_response_head(const Response& response, const Exchanged& exchanged);

/// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(int64_t time_s);
std::string_view reason_phrase(int status);

}  // namespace hearth::http
