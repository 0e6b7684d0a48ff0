// The bytes of a connection: what of a response goes out and how, what comes in, and the waiting
// for both. Plain or through TLS; a peer that takes or gives nothing for too long is given up.

#include <algorithm>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "http/served.h"

namespace hearth::http {
namespace {

/// Bytes of the socket's that the peer's side has not taken yet.
int unread_by_peer(int socket) {
  int bytes = 0;
  return ::ioctl(socket, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

}  // namespace

Task<bool> Served::send_part(std::shared_ptr<Exchange> exchange, Part& part, bool chunked,
                             bool last) {
  if (auto* generator = std::get_if<std::unique_ptr<Generator>>(&part)) {
    co_return co_await send_generated(exchange, **generator, chunked);
  }
  auto* text = std::get_if<std::string>(&part);
  auto* file = std::get_if<FileRange>(&part);
  const uint64_t length_bytes = text ? text->size() : file->length_bytes;
  if (chunked) {
    std::string line = fmt::format("{:x}\r\n", length_bytes);
    if (!co_await send_all({line}, true)) co_return false;
  }
  bool sent = text ? co_await send_all({*text}, chunked || !last) : co_await send_file(*file);
  if (sent && chunked) sent = co_await send_all({"\r\n"}, true);
  co_return sent;
}

Task<bool> Served::send_generated(std::shared_ptr<Exchange> exchange, Generator& generator,
                                  bool chunked) {
  const milliseconds own = generator.idle_max();
  const milliseconds idle_max = own.count() > 0 ? own : limits_.stream_idle;
  exchange->made_bytes = 0;
  SteadyClock::time_point last_bytes = SteadyClock::now();
  while (true) {
    const auto silent = std::chrono::duration_cast<milliseconds>(SteadyClock::now() - last_bytes);
    const milliseconds left = idle_max > silent ? idle_max - silent : milliseconds{0};
    const int fd = generator.wait_fd();
    if (fd >= 0) {
      Woken woken = co_await wait_for(fd, Descriptor::wait_read, left, generator.wake_every());
      if (woken == Woken::kOverdue) ++shared_.counters.timeouts;
      if (woken == Woken::kOverdue || woken == Woken::kGone) co_return false;
    }
    Ran ran = co_await on_pool(
        shared_.pool, Pool::Kind::kBegun, [exchange, &generator] { exchange->generate(generator); },
        std::max(left, limits_.tick), nullptr);
    if (ran != Ran::kDone || peer_->gone() || exchange->generator_failed) co_return false;

    if (!exchange->made.empty()) {
      bool sent = false;
      if (chunked) {
        std::string line = fmt::format("{:x}\r\n", exchange->made.size());
        sent = co_await send_all({line, exchange->made, "\r\n"}, false);
      } else {
        sent = co_await send_all({exchange->made}, false);
      }
      if (!sent) co_return false;
      last_bytes = SteadyClock::now();
    } else if (exchange->more) {
      if (left.count() == 0) {
        ++shared_.counters.timeouts;
        co_return false;
      }
      if (fd < 0) {
        watch_peer_ = true;
        error_code ignored;
        pause_.expires_after(limits_.tick);
        co_await pause_.async_wait(asio::redirect_error(kAwait, ignored));
        watch_peer_ = false;
        if (cut_ || peer_->gone()) co_return false;
      }
    }
    if (!exchange->more) break;
  }
  co_return true;
}

Task<bool> Served::send_file(FileRange range) {
  uint64_t offset_bytes = range.offset_bytes;
  uint64_t left_bytes = range.length_bytes;
  while (left_bytes > 0) {
    const uint64_t step_bytes = std::min(left_bytes, limits_.send_step_bytes);
    FileLeft step{offset_bytes, step_bytes};
    // sendfile would wait for the disk on this thread, and comparing takes its time; let a pool
    // thread do that.
    if (!is_cached(*range.fd, step) ||
        (range.check && !range.check->is_fresh(offset_bytes, step_bytes))) {
      auto good = std::make_shared<bool>(true);
      Ran ran = co_await on_pool(
          shared_.disk_pool, Pool::Kind::kBegun,
          [file = range.fd, check = range.check, step, good] {
            read_ahead(*file, step);
            if (check) *good = check->is_good(step.offset_bytes, step.length_bytes);
          },
          limits_.stream_idle, nullptr);
      if (ran != Ran::kDone || !*good) co_return false;
    }
    while (tls_ && step.length_bytes > 0) {
      if (!tls_->seal_file(*range.fd, step, sent_bytes_)) co_return false;
      if (!co_await flush_tls()) co_return false;
    }
    while (step.length_bytes > 0) {
      Sent sent = send_from_file(socket_.native_handle(), *range.fd, step, sent_bytes_);
      if (sent == Sent::kFailed) co_return false;
      if (sent == Sent::kWouldBlock && !co_await wait_writable()) co_return false;
    }
    offset_bytes += step_bytes;
    left_bytes -= step_bytes;
    // A peer that reads as fast as we send must not keep the loop from the others.
    if (left_bytes > 0) co_await asio::post(executor_, kAwait);
    if (cut_) co_return false;
  }
  co_return true;
}

// Waits until `fd` is ready, at most `wait`; an `alarm` above zero ends the wait earlier.
Task<Woken> Served::wait_for(int fd, Descriptor::wait_type what, milliseconds wait,
                             milliseconds alarm) {
  pollfd now_ready{fd, static_cast<short>(what == Descriptor::wait_read ? POLLIN : POLLOUT), 0};
  if (poll(&now_ready, 1, 0) != 0) co_return Woken::kReady;
  if (waited_number_ != fd) {
    // A duplicate, so that whoever owns `fd` may close it without confusing the reactor.
    error_code error;
    waited_.reset();
    waited_.emplace(executor_);
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (duplicate >= 0) waited_->assign(duplicate, error);
    if (duplicate < 0 || error) {
      log_error("http: a descriptor cannot be waited for");
      if (duplicate >= 0) ::close(duplicate);
      co_return Woken::kGone;
    }
    waited_number_ = fd;
  }
  const bool alarmed = alarm.count() > 0 && alarm < wait;
  set_deadline(alarmed ? alarm : wait);
  watch_peer_ = true;
  error_code error;
  co_await waited_->async_wait(what, asio::redirect_error(kAwait, error));
  watch_peer_ = false;
  deadline_ = kNever;
  if (cut_ || peer_->gone()) co_return Woken::kGone;
  if (!error) co_return Woken::kReady;
  if (expired_) co_return alarmed ? Woken::kAlarm : Woken::kOverdue;
  co_return Woken::kGone;
}

// Appends to the inbox. False: end, error, or the deadline has passed.
Task<bool> Served::receive(size_t bytes_max) {
  std::span<char> room = inbox_.prepare(bytes_max);
  error_code error;
  size_t count = co_await read_some({reinterpret_cast<uint8_t*>(room.data()), room.size()}, error);
  if (error || count == 0) co_return false;
  inbox_.commit(count);
  co_return true;
}

// Not a coroutine, so that a plain connection has no frame more for it. `error` and the room live
// in the awaiting frame.
Task<size_t> Served::read_some(std::span<uint8_t> room, error_code& error) {
  if (tls_) return read_tls(room, error);
  return socket_.async_read_some(asio::buffer(room.data(), room.size()),
                                 asio::redirect_error(kAwait, error));
}

// 0 with an error: the deadline has passed; without: the end, or TLS that is broken.
Task<size_t> Served::read_tls(std::span<uint8_t> room, error_code& error) {
  while (true) {
    size_t count = 0;
    const TlsStep step = tls_->read(room, count);
    // Answers of the protocol's own. They are a few bytes; what the socket does not take now goes
    // with the next ones.
    if (tls_->flush() == Sent::kFailed) co_return 0;
    if (step != TlsStep::kWantsRead) co_return count;
    co_await socket_.async_wait(Socket::wait_read, asio::redirect_error(kAwait, error));
    if (error || cut_) co_return 0;
  }
}

// Sends the pieces, which live in the awaiting frames. Waits as long as there is progress.
Task<bool> Served::send_all(Pieces pieces, bool more_follows) {
  if (tls_) co_return co_await send_sealed(pieces);
  while (true) {
    switch (send_pieces(socket_.native_handle(), pieces, more_follows, sent_bytes_)) {
      case Sent::kAll:
        co_return true;
      case Sent::kFailed:
        give_up();
        co_return false;
      case Sent::kWouldBlock:
        if (!co_await wait_writable()) co_return false;
    }
  }
}

Task<bool> Served::send_sealed(Pieces pieces) {
  while (std::any_of(pieces.begin(), pieces.end(), [](auto piece) { return !piece.empty(); })) {
    if (!tls_->seal(pieces, sent_bytes_)) {
      give_up();
      co_return false;
    }
    if (!co_await flush_tls()) co_return false;
  }
  co_return true;
}

// Sends what is encrypted. Waits as long as there is progress.
Task<bool> Served::flush_tls() {
  while (true) {
    switch (tls_->flush()) {
      case Sent::kAll:
        co_return true;
      case Sent::kFailed:
        give_up();
        co_return false;
      case Sent::kWouldBlock:
        if (!co_await wait_writable()) co_return false;
    }
  }
}

// Under the deadline that is set.
Task<bool> Served::wait_until(Socket::wait_type ready) {
  if (cut_) co_return false;
  error_code error;
  co_await socket_.async_wait(ready, asio::redirect_error(kAwait, error));
  co_return !error && !cut_;
}

Task<bool> Served::wait_writable() {
  if (cut_) co_return false;
  error_code error;
  const auto least_bytes = static_cast<int>(
      limits_.read_rate_min_bytes_s * static_cast<uint64_t>(limits_.stream_idle.count()) / 1000);
  int unread_bytes = unread_by_peer(socket_.native_handle());
  while (true) {
    set_deadline(limits_.stream_idle);
    error.clear();
    co_await socket_.async_wait(Socket::wait_write, asio::redirect_error(kAwait, error));
    deadline_ = kNever;
    if (!expired_ || cut_) break;
    // The kernel says that there is room again only after a third of megabytes: a peer that reads
    // steadily but slowly has made none in this time, and is no idle one.
    const int now_bytes = unread_by_peer(socket_.native_handle());
    if (unread_bytes - now_bytes < least_bytes) break;
    unread_bytes = now_bytes;
  }
  if (expired_) {
    ++shared_.counters.timeouts;
    // Else the kernel keeps what was not taken, megabytes for each, for as long as the peer likes.
    const struct linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  if (error) give_up();
  co_return !error && !cut_;
}

}  // namespace hearth::http
