#include "http/transfer.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"

namespace hearth::http {

Sent send_pieces(int socket, Pieces& pieces, bool more_follows, uint64_t& sent_bytes) {
  while (true) {
    std::array<iovec, 3> list{};
    size_t count = 0;
    for (std::string_view piece : pieces) {
      // sendmsg does not write through iov_base; its type serves recvmsg too.
      if (!piece.empty()) list[count++] = {const_cast<char*>(piece.data()), piece.size()};
    }
    if (count == 0) return Sent::kAll;
    msghdr message{};
    message.msg_iov = list.data();
    message.msg_iovlen = count;
    ssize_t sent =
        ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT | (more_follows ? MSG_MORE : 0));
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? Sent::kWouldBlock : Sent::kFailed;
    }
    sent_bytes += static_cast<uint64_t>(sent);
    auto left = static_cast<size_t>(sent);
    for (std::string_view& piece : pieces) {
      size_t taken = std::min(left, piece.size());
      piece.remove_prefix(taken);
      left -= taken;
    }
  }
}

Sent send_from_file(int socket, const Fd& file, FileLeft& left, uint64_t& sent_bytes) {
  while (left.length_bytes > 0) {
    auto offset = static_cast<off_t>(left.offset_bytes);
    ssize_t count = ::sendfile(socket, file.get(), &offset, static_cast<size_t>(left.length_bytes));
    if (count < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? Sent::kWouldBlock : Sent::kFailed;
    }
    if (count == 0) {
      log_error("http: a file is shorter than its response announced");
      return Sent::kFailed;
    }
    left.offset_bytes += static_cast<uint64_t>(count);
    left.length_bytes -= static_cast<uint64_t>(count);
    sent_bytes += static_cast<uint64_t>(count);
  }
  return Sent::kAll;
}

bool is_cached(const Fd& file, FileLeft part) {
  for (uint64_t at : {part.offset_bytes, part.offset_bytes + part.length_bytes - 1}) {
    char byte = 0;
    iovec piece{&byte, 1};
    ssize_t count = preadv2(file.get(), &piece, 1, static_cast<off_t>(at), RWF_NOWAIT);
    if (count < 0 && errno == EAGAIN) return false;
  }
  return true;
}

void read_ahead(const Fd& file, FileLeft part) {
  readahead(file.get(), static_cast<off64_t>(part.offset_bytes),
            static_cast<size_t>(part.length_bytes));
  for (uint64_t at : {part.offset_bytes, part.offset_bytes + part.length_bytes - 1}) {
    char byte = 0;
    [[maybe_unused]] ssize_t count = pread(file.get(), &byte, 1, static_cast<off_t>(at));
  }
}

}  // namespace hearth::http
