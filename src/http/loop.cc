// The edge: coroutines that move bytes between sockets and the pool.
//
// A connection is one coroutine, serve(): read a head, let the pool decide, move the body into the
// sink, let the pool handle, send the response, again. It never blocks, and never throws for what
// peers do: a step that fails answers false, and the connection ends.
//
// Time: a step that waits sets `deadline_`; the loop's tick looks at all connections a few times a
// second and interrupts those that are late. That costs nothing per request, where a timer each
// would cost two system calls. The same tick asks the kernel whether peers of running handlers and
// waiting streams have hung up.

#include "http/loop.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <thread>
#include <unordered_set>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "http/body_decoder.h"
#include "http/compress.h"
#include "http/exchange.h"
#include "http/head_parser.h"
#include "http/inbox.h"
#include "http/response_head.h"
#include "http/transfer.h"

namespace hearth::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// The concrete executor is 5-10 % faster than the type-erased one (stack reference, section 3).
using Executor = asio::io_context::executor_type;
template <typename T = void>
using Task = asio::awaitable<T, Executor>;
using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;
using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
using Timer = asio::basic_waitable_timer<SteadyClock, asio::wait_traits<SteadyClock>, Executor>;

constexpr asio::use_awaitable_t<Executor> kAwait;
constexpr size_t kReadBytes = 4 * 1024;       // One receive of a head; most are below 1 KiB.
constexpr size_t kReadBodyBytes = 64 * 1024;  // One receive of a chunked or unwanted body.
constexpr size_t kEmptyLinesMax = 4;  // Before a request line; old clients end bodies with CRLF.
constexpr int kRetryAfterBusy = 2;    // Seconds; a full queue empties in about that.
constexpr SteadyClock::time_point kNever = SteadyClock::time_point::max();

class Connection;

// A coroutine waits for a pool job through this; shared with the job, which may end later.
struct PoolCall {
  explicit PoolCall(Executor executor) : signal(executor, kNever) {}
  Timer signal;
  bool done = false;  // Loop thread only.
};

// How waiting for a pool job ended.
enum class Ran { kDone, kRefused, kOverdue, kCut };
// How waiting for a descriptor ended.
enum class Woken { kReady, kAlarm, kOverdue, kGone };

// Counts the connection out, after everything else of it is gone.
struct Admission {
  Shared& shared;
  ~Admission() { shared.leave(); }
};

}  // namespace

class Loop::Impl {
 public:
  explicit Impl(Shared& shared_in)
      : shared(shared_in), guard_(context.get_executor()), tick_(context.get_executor()) {
    thread_ = std::thread([this] { context.run(); });
  }

  Executor executor() { return context.get_executor(); }
  void add(Connection* connection);
  void remove(Connection* connection) { connections_.erase(connection); }
  std::string_view date();
  void stop_listening();
  void join();

  Shared& shared;
  asio::io_context context{1};  // One thread runs it.
  std::unordered_set<Connection*> connections_;
  struct Listener {
    Fd socket;
    std::unique_ptr<Descriptor> ready;
  };
  std::vector<std::shared_ptr<Listener>> listeners_;

 private:
  void arm_tick();
  void on_tick();

  asio::executor_work_guard<Executor> guard_;
  Timer tick_;
  bool tick_armed_ = false;
  std::time_t date_s_ = 0;
  std::string date_;
  std::thread thread_;
};

namespace {

class Connection {
 public:
  Connection(Loop::Impl& loop, Arrival arrival);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Task<> run();

  // From the tick, on the loop's thread.
  void check_deadline(SteadyClock::time_point now);
  bool watches_peer() const { return watch_peer_; }
  int native_socket() { return socket_.native_handle(); }
  void on_peer_gone();
  void close_if_idle();
  void cut();

 private:
  // How far a request's body has come.
  struct BodyState {
    BodyState(const RequestHead& head, const Limits& limits);
    // Whether what is left can be read and dropped so that the connection may go on.
    bool rest_is_small(const Limits& limits) const;

    BodyDecoder decoder;
    bool continue_pending = false;  // The client waits for 100 Continue, and did not get it.
    bool broken = false;            // Framing lost, or the client too slow: nothing more to read.
    uint64_t received_bytes = 0;
  };

  Task<bool> serve_one();
  Task<bool> read_head(std::optional<RequestHead>& head, std::optional<Refusal>& refusal);
  Task<> decide(std::shared_ptr<Exchange> exchange);
  Task<bool> take_body(std::shared_ptr<Exchange> exchange, BodyState& body);
  Task<bool> fill_block(std::span<uint8_t> block, BodyState& body, size_t& filled,
                        std::optional<Refusal>& refusal);
  Task<bool> respond(std::shared_ptr<Exchange> exchange, bool& keep_alive);
  Task<bool> send_part(std::shared_ptr<Exchange> exchange, Part& part, bool chunked, bool last);
  Task<bool> send_generated(std::shared_ptr<Exchange> exchange, Generator& generator, bool chunked);
  Task<bool> send_file(FileRange range);
  Task<> refuse(Refusal refusal);
  Task<bool> drain(BodyState& body);
  Task<> linger();

  Task<Ran> on_pool(Pool::Kind kind, std::function<void()> work, milliseconds wait,
                    std::shared_ptr<Exchange> exchange);
  Task<Woken> wait_for(int fd, Descriptor::wait_type what, milliseconds wait, milliseconds alarm);
  Task<bool> receive(size_t bytes_max);
  Task<bool> send_all(Pieces pieces, bool more_follows);
  Task<bool> wait_writable();

  void set_deadline(milliseconds from_now);
  void interrupt();
  // The request's time is over, or the peer is: handlers learn it.
  void give_up() { peer_->set_gone(); }

  Admission admission_;
  Loop::Impl& loop_;
  Shared& shared_;
  const Limits& limits_;
  Arrival arrival_;
  Socket socket_;
  Inbox inbox_;
  std::shared_ptr<PeerState> peer_ = std::make_shared<PeerState>();
  std::shared_ptr<PoolCall> call_;    // While waiting for the pool.
  std::optional<Descriptor> waited_;  // Our own duplicate of a sink's or generator's descriptor.
  int waited_number_ = -1;            // Which descriptor that duplicates.
  Timer pause_;

  SteadyClock::time_point deadline_ = kNever;
  bool expired_ = false;  // The deadline has passed since it was set.
  bool idle_ = true;      // Between requests.
  bool first_ = true;     // No request was served yet.
  bool cut_ = false;
  bool watch_peer_ = false;
  bool abandoned_ = false;   // A pool thread may still be at work on this request.
  uint64_t sent_bytes_ = 0;  // On this connection, heads too.
  uint64_t head_bytes_ = 0;  // Of the current response's head.
};

// A parameter lives in the coroutine's frame; a captured one would die with the lambda.
Task<> serve(std::unique_ptr<Connection> connection) {
  co_await connection->run();
}

Connection::BodyState::BodyState(const RequestHead& head, const Limits& limits)
    : decoder(head.chunked ? BodyDecoder::chunked(limits)
                           : BodyDecoder::with_length(head.content_length.value_or(0))),
      continue_pending(head.has_body() && head.headers.has(kExpect) && head.http_version == "1.1") {
}

bool Connection::BodyState::rest_is_small(const Limits& limits) const {
  return !broken && !continue_pending && !decoder.is_chunked() &&
         decoder.left_bytes_min() <= limits.drain_bytes_max;
}

Connection::Connection(Loop::Impl& loop, Arrival arrival)
    : admission_{loop.shared},
      loop_(loop),
      shared_(loop.shared),
      limits_(loop.shared.limits),
      arrival_(std::move(arrival)),
      socket_(loop.executor()),
      pause_(loop.executor()) {
  socket_.assign(asio::generic::stream_protocol(arrival_.is_tcp ? AF_INET : AF_UNIX, 0),
                 arrival_.socket.get());
  arrival_.socket.release();
  socket_.native_non_blocking(true);
  loop_.add(this);
}

Connection::~Connection() {
  peer_->set_gone();
  loop_.remove(this);
}

Task<> Connection::run() {
  while (co_await serve_one()) {
  }
  error_code ignored;
  socket_.close(ignored);
}

Task<bool> Connection::serve_one() {
  std::optional<RequestHead> head;
  std::optional<Refusal> refusal;
  bool complete = co_await read_head(head, refusal);
  if (refusal) co_await refuse(std::move(*refusal));
  if (!complete) co_return false;

  const SteadyClock::time_point start = SteadyClock::now();
  const uint64_t sent_before = sent_bytes_;
  ++shared_.counters.requests;
  auto exchange = std::make_shared<Exchange>();
  exchange->head = std::move(*head);
  bool keep_alive = wants_keep_alive(exchange->head);
  BodyState body(exchange->head, limits_);
  head_bytes_ = 0;

  co_await decide(exchange);
  bool alive = !cut_;
  if (alive && !abandoned_ && !exchange->response) alive = co_await take_body(exchange, body);
  if (alive && abandoned_) {
    // The pool still has the exchange and may write into it; the answer needs one of its own.
    auto late = std::make_shared<Exchange>();
    late->head = exchange->head;
    late->response = edge_error(504, "The server took too long. Please retry.");
    exchange = std::move(late);
    body.broken = true;
    keep_alive = false;
  }

  Outcome outcome;
  if (alive) {
    outcome.status = exchange->response->status;
    const bool all_read = body.decoder.done();
    if ((!all_read && !body.rest_is_small(limits_)) || peer_->gone() || shared_.draining) {
      keep_alive = false;
    }
    alive = outcome.complete = co_await respond(exchange, keep_alive);
  }
  outcome.received_bytes = body.received_bytes;
  outcome.sent_bytes = sent_bytes_ - std::min(sent_bytes_, sent_before + head_bytes_);
  outcome.duration =
      std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - start);
  shared_.counters.received_bytes += outcome.received_bytes;
  shared_.counters.sent_bytes += outcome.sent_bytes;
  shared_.app.on_done(exchange->head, outcome);

  waited_.reset();
  waited_number_ = -1;
  if (!abandoned_ && exchange->may_block_when_destroyed()) {
    shared_.pool.submit(Pool::Kind::kBegun, [exchange = std::move(exchange)] {});
  }
  exchange.reset();
  if (!alive) co_return false;
  if (!keep_alive) {
    if (!body.decoder.done()) co_await linger();
    co_return false;
  }
  first_ = false;
  co_return co_await drain(body);
}

// True: `head` is set. False: the connection is over, or `refusal` is set.
Task<bool> Connection::read_head(std::optional<RequestHead>& head,
                                 std::optional<Refusal>& refusal) {
  size_t searched = 0;
  size_t empty_lines = 0;
  bool begun = false;
  set_deadline(first_ ? limits_.head_wait : limits_.keep_alive_wait);
  while (true) {
    while (searched == 0 && inbox_.view().starts_with("\r\n") && empty_lines < kEmptyLinesMax) {
      inbox_.consume(2);
      ++empty_lines;
    }
    idle_ = inbox_.view().empty();
    if (idle_) inbox_.shrink();
    if (idle_ && shared_.draining) co_return false;
    if (!idle_) {
      if (!begun) set_deadline(limits_.head_wait);
      begun = true;
      auto end = find_head_end(inbox_.view(), searched, limits_);
      if (!end) {
        refusal = end.error();
        co_return false;
      }
      if (*end) {
        size_t length_bytes = (**end).length_bytes;
        auto parsed = parse_request_head(inbox_.view().substr(0, length_bytes), limits_);
        inbox_.consume(length_bytes);
        if (!parsed) {
          refusal = parsed.error();
          co_return false;
        }
        head = std::move(*parsed);
        break;
      }
    }
    if (!co_await receive(kReadBytes)) {
      if (expired_ && begun) {
        ++shared_.counters.timeouts;
        refusal = Refusal{408, "The request headers did not arrive in time."};
      }
      co_return false;
    }
  }
  idle_ = false;
  head->remote_address = arrival_.remote_address;
  head->remote_port = arrival_.remote_port;
  head->local_port = arrival_.local_port;
  head->request_id = choose_request_id(head->headers);
  head->peer = peer_;
  co_return true;
}

// Asks the App. Afterwards there is a plan or a response, or the request was abandoned or cut.
Task<> Connection::decide(std::shared_ptr<Exchange> exchange) {
  Ran ran = co_await on_pool(
      Pool::Kind::kNew,
      [exchange, &shared = shared_] { exchange->begin(shared.app, shared.compress); },
      limits_.handler_wait, exchange);
  if (ran != Ran::kRefused) co_return;
  ++shared_.counters.requests_refused;
  exchange->fail(shared_.app,
                 Error(ErrorKind::kUnavailable, "The server is busy. Please retry in a moment.",
                       {.retry_after_s = kRetryAfterBusy}));
}

// Moves the body into the sink. False: the peer is gone. Otherwise there is a response, possibly
// with part of the body unread.
Task<bool> Connection::take_body(std::shared_ptr<Exchange> exchange, BodyState& body) {
  Plan& plan = *exchange->plan;
  const uint64_t bytes_max = plan.sink ? plan.body_bytes_max : limits_.drain_bytes_max;
  exchange->prepare_body(shared_.app, limits_);
  if (exchange->response) co_return true;
  if (body.continue_pending) {
    if (!co_await send_all({"HTTP/1.1 100 Continue\r\n\r\n"}, false)) co_return false;
    body.continue_pending = false;
  }

  while (true) {
    size_t filled = 0;
    std::optional<Refusal> refusal;
    if (!co_await fill_block(exchange->block, body, filled, refusal)) {
      give_up();
      co_return false;
    }
    if (refusal) {
      exchange->response = edge_error(refusal->status, refusal->message);
      co_return true;
    }
    body.received_bytes += filled;
    if (body.received_bytes > bytes_max) {
      exchange->fail(shared_.app, Error(ErrorKind::kTooLarge, "The request body is too large."));
      co_return true;
    }
    const bool last = body.decoder.done();
    BodySink* sink = exchange->gunzip ? exchange->gunzip.get() : plan.sink.get();
    if (sink && filled > 0 && sink->wait_fd() >= 0) {
      Woken woken = co_await wait_for(sink->wait_fd(), Descriptor::wait_write, limits_.handler_wait,
                                      milliseconds{0});
      if (woken == Woken::kOverdue) {
        exchange->response = edge_error(504, "The server took too long. Please retry.");
        co_return true;
      }
      if (woken != Woken::kReady) co_return false;
    }
    Ran ran = co_await on_pool(
        Pool::Kind::kBegun,
        [exchange, filled, last, &shared = shared_] {
          exchange->take_block(shared.app, filled, last, shared.compress);
        },
        limits_.handler_wait, exchange);
    if (ran != Ran::kDone) co_return ran == Ran::kOverdue;
    if (exchange->response) co_return true;
  }
}

// Fills `block` as far as the body goes. False: the peer is gone. `refusal`: the body is malformed
// or too slow.
Task<bool> Connection::fill_block(std::span<uint8_t> block, BodyState& body, size_t& filled,
                                  std::optional<Refusal>& refusal) {
  const SteadyClock::time_point start = SteadyClock::now();
  while (!body.decoder.done() && filled < block.size()) {
    std::string_view input = inbox_.view();
    if (!input.empty()) {
      const size_t before = input.size();
      auto produced = body.decoder.decode(input, block.subspan(filled));
      if (!produced) {
        body.broken = true;
        ++shared_.counters.requests_malformed;
        refusal = Refusal{400, "The request body is malformed: " + produced.error().message + "."};
        co_return true;
      }
      filled += *produced;
      inbox_.consume(before - input.size());
      continue;
    }
    set_deadline(limits_.body_idle);
    // A byte now and then keeps a body from being idle; it has to keep up a rate as well.
    const auto rate_deadline =
        start + limits_.body_idle + milliseconds(filled * 1000 / limits_.body_rate_min_bytes_s);
    deadline_ = std::min(deadline_, rate_deadline);
    bool received = false;
    if (uint64_t direct = body.decoder.direct_bytes(); direct > 0) {
      auto room = block.subspan(
          filled, static_cast<size_t>(std::min<uint64_t>(direct, block.size() - filled)));
      error_code error;
      size_t count = co_await socket_.async_read_some(asio::buffer(room.data(), room.size()),
                                                      asio::redirect_error(kAwait, error));
      received = !error && count > 0;
      if (received) {
        filled += count;
        body.decoder.took_directly(count);
      }
    } else {
      received = co_await receive(kReadBodyBytes);
    }
    if (!received) {
      if (!expired_ || cut_) co_return false;
      ++shared_.counters.timeouts;
      body.broken = true;
      refusal = Refusal{408, "The request body did not arrive in time."};
      co_return true;
    }
  }
  co_return true;
}

// Sends the response. False: it could not be sent whole, the connection is over.
Task<bool> Connection::respond(std::shared_ptr<Exchange> exchange, bool& keep_alive) {
  Response& response = *exchange->response;
  if (response.status < 200 || response.status > 599) response.status = 500;
  ResponseHead head =
      write_response_head(response, {.method = exchange->head.method,
                                     .request_id = exchange->head.request_id,
                                     .date = loop_.date(),
                                     .http_1_0 = exchange->head.http_version == "1.0",
                                     .keep_alive = keep_alive});
  keep_alive = head.keep_alive;
  head_bytes_ = head.text.size();
  ++shared_.counters.responses_by_class[response.status / 100];
  if (head.framing == Framing::kNoBody || response.body.empty()) {
    co_return co_await send_all({head.text}, false);
  }
  const bool chunked = head.framing == Framing::kChunked;
  size_t next = 0;
  if (auto* text = std::get_if<std::string>(&response.body.front()); text && !chunked) {
    // The usual answer: one system call.
    if (!co_await send_all({head.text, *text}, response.body.size() > 1)) co_return false;
    next = 1;
  } else {
    bool file_follows = std::holds_alternative<FileRange>(response.body.front());
    if (!co_await send_all({head.text}, file_follows)) co_return false;
  }
  for (; next < response.body.size(); ++next) {
    bool last = next + 1 == response.body.size();
    if (!co_await send_part(exchange, response.body[next], chunked, last)) co_return false;
  }
  if (chunked) co_return co_await send_all({"0\r\n\r\n"}, false);
  co_return true;
}

Task<bool> Connection::send_part(std::shared_ptr<Exchange> exchange, Part& part, bool chunked,
                                 bool last) {
  if (auto* generator = std::get_if<std::unique_ptr<Generator>>(&part)) {
    co_return co_await send_generated(exchange, **generator, chunked);
  }
  auto* text = std::get_if<std::string>(&part);
  auto* file = std::get_if<FileRange>(&part);
  const uint64_t length_bytes = text ? text->size() : file->length_bytes;
  if (length_bytes == 0) co_return true;
  if (chunked) {
    std::string line = fmt::format("{:x}\r\n", length_bytes);
    if (!co_await send_all({line}, true)) co_return false;
  }
  bool sent = text ? co_await send_all({*text}, chunked || !last) : co_await send_file(*file);
  if (sent && chunked) sent = co_await send_all({"\r\n"}, true);
  co_return sent;
}

Task<bool> Connection::send_generated(std::shared_ptr<Exchange> exchange, Generator& generator,
                                      bool chunked) {
  const milliseconds own = generator.idle_max();
  const milliseconds idle_max = own.count() > 0 ? own : limits_.stream_idle;
  const std::optional<uint64_t> length = generator.length_bytes();
  uint64_t made_bytes = 0;
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
        Pool::Kind::kBegun, [exchange, &generator] { exchange->generate(generator); },
        std::max(left, limits_.tick), nullptr);
    if (ran != Ran::kDone || peer_->gone() || exchange->generator_failed) co_return false;

    if (!exchange->made.empty()) {
      made_bytes += exchange->made.size();
      if (length && made_bytes > *length) {
        log_error("http: {}: a generator made more bytes than it announced",
                  exchange->head.request_id);
        co_return false;
      }
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
  if (length && made_bytes != *length) {
    log_error("http: {}: a generator made fewer bytes than it announced",
              exchange->head.request_id);
    co_return false;
  }
  co_return true;
}

Task<bool> Connection::send_file(FileRange range) {
  uint64_t offset_bytes = range.offset_bytes;
  uint64_t left_bytes = range.length_bytes;
  while (left_bytes > 0) {
    const uint64_t step_bytes = std::min(left_bytes, limits_.send_step_bytes);
    FileLeft step{offset_bytes, step_bytes};
    // sendfile would wait for the disk on this thread; let a pool thread do that.
    if (!is_cached(*range.fd, step)) {
      Ran ran = co_await on_pool(
          Pool::Kind::kBegun, [file = range.fd, step] { read_ahead(*file, step); },
          limits_.stream_idle, nullptr);
      if (ran != Ran::kDone) co_return false;
    }
    while (step.length_bytes > 0) {
      Sent sent = send_from_file(socket_.native_handle(), *range.fd, step, sent_bytes_);
      if (sent == Sent::kFailed) co_return false;
      if (sent == Sent::kWouldBlock && !co_await wait_writable()) co_return false;
    }
    offset_bytes += step_bytes;
    left_bytes -= step_bytes;
    // A peer that reads as fast as we send must not keep the loop from the others.
    if (left_bytes > 0) co_await asio::post(loop_.executor(), kAwait);
    if (cut_) co_return false;
  }
  co_return true;
}

// Answers a head that never became a request, and ends the connection.
Task<> Connection::refuse(Refusal refusal) {
  ++shared_.counters.requests_malformed;
  auto exchange = std::make_shared<Exchange>();
  exchange->head.request_id = choose_request_id({});
  exchange->response = edge_error(refusal.status, refusal.message);
  bool keep_alive = false;
  if (co_await respond(exchange, keep_alive)) co_await linger();
}

// Reads the small rest of a body that nobody wanted, so that the connection can go on.
Task<bool> Connection::drain(BodyState& body) {
  std::array<uint8_t, 4096> dropped;
  while (!body.decoder.done()) {
    size_t filled = 0;
    std::optional<Refusal> refusal;
    if (!co_await fill_block(dropped, body, filled, refusal) || refusal) co_return false;
  }
  co_return true;
}

// Closing a socket with unread bytes makes the kernel send a reset, which can destroy the answer
// on its way. So: no more from us, and read for a while what the client is still sending.
Task<> Connection::linger() {
  error_code error;
  socket_.shutdown(Socket::shutdown_send, error);
  uint64_t dropped_bytes = 0;
  set_deadline(limits_.linger_wait);
  while (!error && dropped_bytes < limits_.linger_bytes_max) {
    inbox_.clear();
    if (!co_await receive(kReadBodyBytes)) break;
    dropped_bytes += inbox_.view().size();
  }
}

// Runs `work` on the pool. `wait` bounds its run (a longer wait in the exchange's plan counts).
Task<Ran> Connection::on_pool(Pool::Kind kind, std::function<void()> work, milliseconds wait,
                              std::shared_ptr<Exchange> exchange) {
  auto call = std::make_shared<PoolCall>(loop_.executor());
  bool maybe_queued = kind == Pool::Kind::kNew;
  const SteadyClock::time_point start = SteadyClock::now();
  auto job = shared_.pool.submit(
      kind, [call, work = std::move(work), executor = loop_.executor()]() mutable {
        work();
        work = nullptr;  // Before the coroutine goes on, so that it holds what it holds alone.
        asio::post(executor, [call = std::move(call)] {
          call->done = true;
          call->signal.cancel();
        });
      });
  if (!job) co_return Ran::kRefused;

  set_deadline(maybe_queued ? limits_.queue_wait : wait);
  call_ = call;
  watch_peer_ = true;
  Ran ran = Ran::kDone;
  while (!call->done) {
    error_code ignored;
    co_await call->signal.async_wait(asio::redirect_error(kAwait, ignored));
    if (call->done) break;
    if (cut_) {
      abandoned_ = !shared_.pool.withdraw(job);
      ran = Ran::kCut;
      break;
    }
    if (!expired_) continue;
    if (maybe_queued && shared_.pool.withdraw(job)) {
      ran = Ran::kRefused;
      break;
    }
    maybe_queued = false;
    milliseconds wait_max = wait;
    if (exchange && exchange->handler_wait_ms.load() > 0) {
      wait_max = milliseconds(exchange->handler_wait_ms.load());
    }
    deadline_ = start + wait_max;
    expired_ = false;
    if (SteadyClock::now() >= deadline_) {
      ++shared_.counters.timeouts;
      abandoned_ = true;
      give_up();
      ran = Ran::kOverdue;
      break;
    }
  }
  call_.reset();
  watch_peer_ = false;
  deadline_ = kNever;
  co_return ran;
}

// Waits until `fd` is ready, at most `wait`; an `alarm` above zero ends the wait earlier.
Task<Woken> Connection::wait_for(int fd, Descriptor::wait_type what, milliseconds wait,
                                 milliseconds alarm) {
  pollfd now_ready{fd, static_cast<short>(what == Descriptor::wait_read ? POLLIN : POLLOUT), 0};
  if (poll(&now_ready, 1, 0) != 0) co_return Woken::kReady;
  if (waited_number_ != fd) {
    // A duplicate, so that whoever owns `fd` may close it without confusing the reactor.
    error_code error;
    waited_.reset();
    waited_.emplace(loop_.executor());
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
Task<bool> Connection::receive(size_t bytes_max) {
  std::span<char> room = inbox_.prepare(bytes_max);
  error_code error;
  size_t count = co_await socket_.async_read_some(asio::buffer(room.data(), room.size()),
                                                  asio::redirect_error(kAwait, error));
  if (error || count == 0) co_return false;
  inbox_.commit(count);
  co_return true;
}

// Sends the pieces, which live in the awaiting frames. Waits as long as there is progress.
Task<bool> Connection::send_all(Pieces pieces, bool more_follows) {
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

Task<bool> Connection::wait_writable() {
  if (cut_) co_return false;
  set_deadline(limits_.stream_idle);
  error_code error;
  co_await socket_.async_wait(Socket::wait_write, asio::redirect_error(kAwait, error));
  deadline_ = kNever;
  if (expired_) ++shared_.counters.timeouts;
  if (error) give_up();
  co_return !error && !cut_;
}

void Connection::set_deadline(milliseconds from_now) {
  deadline_ = SteadyClock::now() + from_now;
  expired_ = false;
}

void Connection::check_deadline(SteadyClock::time_point now) {
  if (now < deadline_) return;
  expired_ = true;
  interrupt();
}

// Ends every wait of the coroutine; it looks at expired_, cut_ and the peer to see why.
void Connection::interrupt() {
  error_code ignored;
  socket_.cancel(ignored);
  if (waited_) waited_->cancel(ignored);
  if (call_) call_->signal.cancel();
  pause_.cancel();
}

void Connection::on_peer_gone() {
  give_up();
  if (waited_) {
    error_code ignored;
    waited_->cancel(ignored);
  }
}

void Connection::close_if_idle() {
  if (idle_) cut();
}

void Connection::cut() {
  cut_ = true;
  give_up();
  interrupt();
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace

void Loop::Impl::add(Connection* connection) {
  connections_.insert(connection);
  arm_tick();
}

std::string_view Loop::Impl::date() {
  std::time_t now = std::time(nullptr);
  if (now != date_s_) {
    date_s_ = now;
    date_ = http_date(now);
  }
  return date_;
}

void Loop::Impl::stop_listening() {
  for (auto& listener : listeners_) {
    error_code ignored;
    listener->ready->close(ignored);
    listener->socket.reset();
  }
  listeners_.clear();
}

void Loop::Impl::join() {
  asio::post(context, [this] { stop_listening(); });
  guard_.reset();
  if (thread_.joinable()) thread_.join();
}

void Loop::Impl::arm_tick() {
  if (tick_armed_ || connections_.empty()) return;
  tick_armed_ = true;
  tick_.expires_after(shared.limits.tick);
  tick_.async_wait([this](error_code) {
    tick_armed_ = false;
    on_tick();
    arm_tick();
  });
}

void Loop::Impl::on_tick() {
  const SteadyClock::time_point now = SteadyClock::now();
  std::vector<pollfd> sockets;
  std::vector<Connection*> watched;
  for (Connection* connection : connections_) {
    connection->check_deadline(now);
    if (!connection->watches_peer()) continue;
    sockets.push_back({connection->native_socket(), POLLRDHUP, 0});
    watched.push_back(connection);
  }
  if (sockets.empty() || poll(sockets.data(), sockets.size(), 0) <= 0) return;
  for (size_t i = 0; i < sockets.size(); ++i) {
    if (sockets[i].revents != 0) watched[i]->on_peer_gone();
  }
}

namespace {

Task<> accept_loop(std::shared_ptr<Loop::Impl::Listener> listener,
                   std::function<milliseconds(const Fd&)> on_readable) {
  Timer pause(listener->ready->get_executor());
  while (listener->ready->is_open()) {
    error_code error;
    co_await listener->ready->async_wait(Descriptor::wait_read,
                                         asio::redirect_error(kAwait, error));
    if (error || !listener->ready->is_open()) co_return;
    milliseconds wait = on_readable(listener->socket);
    if (wait.count() == 0) continue;
    pause.expires_after(wait);
    co_await pause.async_wait(asio::redirect_error(kAwait, error));
  }
}

// What escapes from a coroutine is a bug; it costs one connection, not the server.
void log_escaped(std::exception_ptr error) {
  if (!error) return;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& escaped) {
    log_error("http: a connection's coroutine threw: {}", escaped.what());
  } catch (...) {
    log_error("http: a connection's coroutine threw");
  }
}

}  // namespace

Loop::Loop(Shared& shared) : impl_(std::make_unique<Impl>(shared)) {}
Loop::~Loop() {
  join();
}

void Loop::watch_listener(Fd listener_socket, std::function<milliseconds(const Fd&)> on_readable) {
  auto listener = std::make_shared<Impl::Listener>();
  listener->socket = std::move(listener_socket);
  listener->ready = std::make_unique<Descriptor>(impl_->executor());
  listener->ready->assign(fcntl(listener->socket.get(), F_DUPFD_CLOEXEC, 0));
  asio::post(impl_->context, [impl = impl_.get(), listener, on_readable = std::move(on_readable)] {
    impl->listeners_.push_back(listener);
    asio::co_spawn(impl->context, accept_loop(listener, on_readable), log_escaped);
  });
}

void Loop::serve(Arrival arrival) {
  asio::post(impl_->context, [impl = impl_.get(), arrival = std::move(arrival)]() mutable {
    auto connection = std::make_unique<Connection>(*impl, std::move(arrival));
    asio::co_spawn(impl->context, http::serve(std::move(connection)), log_escaped);
  });
}

void Loop::drain() {
  asio::post(impl_->context, [impl = impl_.get()] {
    impl->stop_listening();
    for (Connection* connection : impl->connections_) connection->close_if_idle();
  });
}

void Loop::cut() {
  asio::post(impl_->context, [impl = impl_.get()] {
    for (Connection* connection : impl->connections_) connection->cut();
  });
}

void Loop::join() {
  impl_->join();
}

}  // namespace hearth::http
