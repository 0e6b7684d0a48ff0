#pragma once
// Reads request heads. Strict where two readers could disagree about where a request ends.
//
// Beast's parser was weighed and left: it unfolds obs-fold, ignores transfer codings it does not
// know and accepts some doubled headers, so every head would be checked twice. This one is a pure
// function, and its fuzzer compares it with Beast: what is accepted here Beast accepts too, and
// frames alike.

#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "http/http.h"

namespace hearth::http {

/// Why a head is refused before the App sees it: the status (400, 414, 417, 431, 501, 505) and a
/// sentence.
struct Refusal {
  int status = 400;
  std::string message;
};

/// Where a head ends.
struct HeadEnd {
  size_t length_bytes = 0;  // With the empty line.
};

/// Looks for the end of the head in what has arrived; nothing: more bytes are needed. `searched`
/// remembers how far the last call came (0 for a new head). Refuses a line that ends without CR
/// and heads over the limits as soon as they are seen.
tl::expected<std::optional<HeadEnd>, Refusal> find_head_end(std::string_view received,
                                                            size_t& searched, const Limits& limits);

/// Parses a complete head (up to and with the empty line). Sets neither addresses nor peer nor
/// request id.
tl::expected<RequestHead, Refusal> parse_request_head(std::string_view head, const Limits& limits);

/// Whether the connection may serve another request after this one.
bool wants_keep_alive(const RequestHead& head);

/// The X-Amzn-Trace-Id or X-Request-Id of the client if it is short and plain, else a fresh one.
std::string choose_request_id(const Headers& headers);

/// A token of RFC 9110 (header names, methods).
bool is_token(std::string_view text);
/// Whether `token` is an element of a comma-separated header value, without case.
bool list_has(std::string_view list, std::string_view token);

}  // namespace hearth::http
