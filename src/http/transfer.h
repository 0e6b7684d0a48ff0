#pragma once
// Moving bytes into sockets: the system calls, without waiting.

#include <array>
#include <cstdint>
#include <string_view>

#include "base/fs.h"

namespace hearth::http {

/// What is left to send of up to three pieces, which live elsewhere.
using Pieces = std::array<std::string_view, 3>;

enum class Sent { kAll, kWouldBlock, kFailed };

/// Sends what the socket takes, cuts it from `pieces` and adds it to `sent_bytes`. With
/// `more_follows` the kernel may hold a small rest back to fill a packet.
Sent send_pieces(int socket, Pieces& pieces, bool more_follows, uint64_t& sent_bytes);

/// Part of a file on its way.
struct FileLeft {
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;
};

/// Sends by sendfile(2) what the socket takes and moves `left` on. kFailed also when the file ends
/// before the part does.
Sent send_from_file(int socket, const Fd& file, FileLeft& left, uint64_t& sent_bytes);

/// Whether the part's first and last bytes are in the page cache, so that sendfile will hardly wait
/// for the disk. True where the file system cannot tell.
bool is_cached(const Fd& file, FileLeft part);
/// Brings the part into the page cache; blocks.
void read_ahead(const Fd& file, FileLeft part);

}  // namespace hearth::http
