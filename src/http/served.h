#pragma once
// One connection: what connection.cc (the conversation) and connection_bytes.cc (its bytes, in and
// out) share. Asio stands in here, so nothing else includes it.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <span>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "http/asio_types.h"
#include "http/connection.h"
#include "http/exchange.h"
#include "http/head_parser.h"
#include "http/inbox.h"
#include "http/pool.h"
#include "http/tls.h"
#include "http/transfer.h"

namespace hearth::http {

using std::chrono::milliseconds;

using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;

inline constexpr asio::use_awaitable_t<Executor> kAwait;
inline constexpr SteadyClock::time_point kNever = SteadyClock::time_point::max();

// A coroutine waits for a pool job through this; shared with the job, which may end later.
struct PoolCall {
  explicit PoolCall(Executor executor) : signal(executor, kNever) {}
  Timer signal;
  bool done = false;  // Loop thread only.
};

// How waiting for a pool job ended: it ran, never ran, still runs, or the connection was cut.
enum class Ran { kDone, kRefused, kOverdue, kCut };
// How waiting for a descriptor ended.
enum class Woken { kReady, kAlarm, kOverdue, kGone };

// Counts the text of an answer while it is sent.
class Held {
 public:
  explicit Held(std::atomic<uint64_t>& all) : all_(all) {}
  ~Held() { all_ -= bytes_; }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  /// False: it would be too much.
  bool add(uint64_t bytes, const Limits& limits) {
    // Added first: two that ask at once must not both see the room for one.
    const uint64_t before = all_.fetch_add(bytes);
    if (bytes > limits.held_short_bytes_max && before + bytes > limits.held_bytes_max) {
      all_ -= bytes;
      return false;
    }
    bytes_ += bytes;
    return true;
  }

 private:
  std::atomic<uint64_t>& all_;
  uint64_t bytes_ = 0;
};

// Counts the connection out, after everything else of it is gone.
struct Admission {
  Shared& shared;
  ~Admission() { shared.leave(); }
};

class Served : public Connection {
 public:
  Served(ConnectionHost& host, Arrival arrival);
  ~Served() override;
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  Task<> run();

  void check_deadline(SteadyClock::time_point now) override;
  bool watches_peer() const override { return watch_peer_; }
  int native_socket() override { return socket_.native_handle(); }
  void on_peer_gone() override;
  void close_if_idle(SteadyClock::time_point since) override;
  void cut() override;

 private:
  Task<bool> begin_tls();
  Task<bool> shake_hands();
  Task<bool> serve_one();
  Task<bool> read_head(std::optional<RequestHead>& head, std::optional<Refusal>& refusal);
  Task<> decide(std::shared_ptr<Exchange> exchange);
  Task<bool> take_body(std::shared_ptr<Exchange> exchange, RequestBody& body);
  Task<bool> fill_block(std::span<uint8_t> block, RequestBody& body, size_t& filled,
                        std::optional<Refusal>& refusal);
  Task<bool> respond(std::shared_ptr<Exchange> exchange, bool& keep_alive);
  Task<bool> send_part(std::shared_ptr<Exchange> exchange, Part& part, bool chunked, bool last);
  Task<bool> send_generated(std::shared_ptr<Exchange> exchange, Generator& generator, bool chunked);
  Task<bool> send_file(FileRange range);
  Task<> refuse(Refusal refusal);
  Task<bool> drain(RequestBody& body);
  Task<> linger();

  Task<Ran> on_pool(Pool& pool, Pool::Kind kind, std::function<void()> work, milliseconds wait,
                    std::shared_ptr<Exchange> exchange);
  Task<Woken> wait_for(int fd, Descriptor::wait_type what, milliseconds wait, milliseconds alarm);
  Task<bool> receive(size_t bytes_max);
  Task<size_t> read_some(std::span<uint8_t> room, error_code& error);
  Task<size_t> read_tls(std::span<uint8_t> room, error_code& error);
  Task<bool> send_all(Pieces pieces, bool more_follows);
  Task<bool> send_sealed(Pieces pieces);
  Task<bool> flush_tls();
  Task<bool> wait_writable();
  Task<bool> wait_until(Socket::wait_type ready);

  void set_deadline(milliseconds from_now);
  void interrupt();
  // The request's time is over, or the peer is: handlers learn it.
  void give_up() { peer_->set_gone(); }

  Admission admission_;
  ConnectionHost& host_;
  Shared& shared_;
  const Limits& limits_;
  const Executor executor_;
  Arrival arrival_;
  Socket socket_;
  std::unique_ptr<TlsSession> tls_;  // Null: bytes go as they are.
  Inbox inbox_;
  std::shared_ptr<PeerState> peer_ = std::make_shared<PeerState>();
  std::shared_ptr<PoolCall> call_;    // While waiting for the pool.
  std::optional<Descriptor> waited_;  // Our own duplicate of a sink's or generator's descriptor.
  int waited_number_ = -1;            // Which descriptor that duplicates.
  Timer pause_;

  SteadyClock::time_point deadline_ = kNever;
  bool expired_ = false;  // The deadline has passed since it was set.
  bool idle_ = true;      // Between requests, since:
  SteadyClock::time_point idle_since_ = SteadyClock::now();
  bool first_ = true;  // No request was served yet.
  bool cut_ = false;
  bool watch_peer_ = false;
  bool abandoned_ = false;   // A pool thread may still be at work on this request.
  uint64_t sent_bytes_ = 0;  // On this connection, heads too.
  uint64_t head_bytes_ = 0;  // Of the current response's head.
};

}  // namespace hearth::http
