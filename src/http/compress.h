#pragma once
// gzip both ways: request bodies that clients compressed, and text answers that are worth it.

#include <memory>

#include "http/http.h"

namespace hearth::http {

/// Inflates into `inner`, which outlives it. Throws kTooLarge as soon as more than `bytes_max`
/// have come out (a bomb costs one block), kInvalid on bytes that are not gzip, and on finish() if
/// the stream has not ended. Several gzip members in a row are one body (RFC 1952, 2.2).
std::unique_ptr<BodySink> make_gunzip_sink(BodySink& inner, uint64_t bytes_max,
                                           uint64_t block_bytes);

/// Compresses the body if it is one text of 1 KiB or more of a compressible type, the request is a
/// GET without Range that accepts gzip, and the response has no ETag (a strong one names the plain
/// bytes), Content-Encoding, Content-Range or Cache-Control: no-transform. Adds Vary whenever the
/// request's Accept-Encoding made a difference.
void compress_if_wanted(const RequestHead& head, Response& response);

/// Whether an Accept-Encoding header accepts `coding` ("gzip", "br"); q of 0 refuses.
bool accepts_coding(std::string_view accept_encoding, std::string_view coding);

}  // namespace hearth::http
