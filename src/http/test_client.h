#pragma once
// A raw HTTP client on a loopback socket, for tests only: sends bytes exactly as written.

#include <chrono>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/text.h"
#include "http/http.h"

namespace hearth::http::testing {

/// A response as it came over the wire.
struct Reply {
  int status = 0;
  Headers headers;
  std::string body;
  bool complete = false;

  std::string header(std::string_view name) const {
    return std::string(headers.get(name).value_or("(absent)"));
  }
};

/// Waits for `condition` for up to five seconds.
template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    poll(nullptr, 0, 5);
  }
  return condition();
}

/// One connection. Reads end after ten seconds at the latest.
class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer_bytes = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer_bytes > 0) {
      setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof receive_buffer_bytes);
    }
    timeval limit{10, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  /// Over a Unix socket.
  explicit Client(const std::string& path)
      : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected_ = connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  Client(Client&&) = default;
  virtual ~Client() = default;

  bool connected() const { return connected_; }
  int fd() const { return socket_.get(); }
  void close() { socket_.reset(); }
  void shutdown_send() { shutdown(socket_.get(), SHUT_WR); }

  /// False when the server has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t count = send_some(bytes);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return true;
  }

  /// Reads one response; `head_only` for answers to HEAD.
  Reply read(bool head_only = false) {
    Reply reply;
    size_t head_end = 0;
    while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!fill()) return reply;
    }
    std::string head = buffer_.substr(0, head_end + 2);
    buffer_.erase(0, head_end + 4);
    reply.status = std::atoi(head.c_str() + 9);
    for (size_t at = head.find("\r\n") + 2; at < head.size();) {
      size_t end = head.find("\r\n", at);
      size_t colon = head.find(": ", at);
      reply.headers.add_raw(head.substr(at, colon - at), head.substr(colon + 2, end - colon - 2));
      at = end + 2;
    }
    reply.complete = head_only || reply.status == 100 || read_body(reply);
    return reply;
  }

  Reply request(std::string_view bytes) {
    send(bytes);
    return read();
  }

  /// Everything until the server closes.
  std::string read_all() {
    while (fill()) {
    }
    return std::exchange(buffer_, {});
  }
  /// True once the server has closed and nothing is left to read.
  bool closed() {
    while (buffer_.empty()) {
      if (!fill()) return true;
    }
    return false;
  }

 protected:
  virtual ssize_t send_some(std::string_view bytes) {
    return ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  virtual ssize_t receive_some(std::span<char> room) {
    return recv(socket_.get(), room.data(), room.size(), 0);
  }

 private:
  bool fill() {
    char piece[65536];
    ssize_t count = receive_some({piece, sizeof piece});
    if (count <= 0) return false;
    buffer_.append(piece, static_cast<size_t>(count));
    return true;
  }
  bool take(size_t count, std::string& out) {
    while (buffer_.size() < count) {
      if (!fill()) return false;
    }
    out.append(buffer_, 0, count);
    buffer_.erase(0, count);
    return true;
  }
  bool read_body(Reply& reply) {
    if (auto length = reply.headers.get(kContentLength)) {
      return take(std::strtoull(std::string(*length).c_str(), nullptr, 10), reply.body);
    }
    if (reply.headers.get(kTransferEncoding).value_or("") != "chunked") {
      if (reply.status == 204 || reply.status == 304) return true;
      reply.body = read_all();
      return true;
    }
    while (true) {
      size_t end = 0;
      while ((end = buffer_.find("\r\n")) == std::string::npos) {
        if (!fill()) return false;
      }
      size_t size = std::strtoull(buffer_.c_str(), nullptr, 16);
      buffer_.erase(0, end + 2);
      std::string line_end;
      if (!take(size, reply.body) || !take(2, line_end)) return false;
      if (size == 0) return true;
    }
  }

  Fd socket_;
  bool connected_ = false;
  std::string buffer_;
};

}  // namespace hearth::http::testing
