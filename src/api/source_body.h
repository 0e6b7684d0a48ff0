#pragma once
// Sending a large file, however it is stored.

#include <memory>

#include "blob/blob.h"
#include "http/range.h"

namespace hearth::api {

/// Appends the bytes of `range`: runs that lie in a file as they are leave by sendfile, the others
/// are made block by block while they are sent.
void append_source(const std::shared_ptr<const blob::Source>& source, http::ByteRange range,
                   http::Body& body);

/// Appends a range of a file whose bytes are compared with their sums before they leave. Throws
/// Error{kCorrupt} when the body's first bytes are damaged; later ones cut the connection.
void append_checked(const std::shared_ptr<const blob::CheckedFile>& file, http::ByteRange range,
                    http::Body& body);

}  // namespace hearth::api
