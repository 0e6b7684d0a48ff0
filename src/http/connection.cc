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

#include "http/connection.h"

#include <algorithm>
#include <array>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "http/asio_types.h"
#include "http/exchange.h"
#include "http/head_parser.h"
#include "http/inbox.h"
#include "http/response_head.h"
#include "http/tls.h"
#include "http/transfer.h"

namespace hearth::http {
namespace {

using std::chrono::milliseconds;

using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;

constexpr asio::use_awaitable_t<Executor> kAwait;
constexpr size_t kReadBytes = 4 * 1024;       // One receive of a head; most are below 1 KiB.
constexpr size_t kReadBodyBytes = 64 * 1024;  // One receive of a chunked or unwanted body.
constexpr size_t kEmptyLinesMax = 4;  // Before a request line; old clients end bodies with CRLF.
constexpr int kRetryAfterBusy = 2;    // Seconds; a full queue empties in about that.
constexpr SteadyClock::time_point kNever = SteadyClock::time_point::max();

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
    if (bytes > limits.held_short_bytes_max && all_ + bytes > limits.held_bytes_max) return false;
    bytes_ += bytes;
    all_ += bytes;
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

Error busy() {
  return Error(ErrorKind::kUnavailable, "The server is busy. Please retry in a moment.",
               {.retry_after_s = kRetryAfterBusy});
}

// A parameter lives in the coroutine's frame; a captured one would die with the lambda.
Task<> serve(std::unique_ptr<Served> connection) {
  co_await connection->run();
}

Served::Served(ConnectionHost& host, Arrival arrival)
    : admission_{host.shared()},
      host_(host),
      shared_(host.shared()),
      limits_(host.shared().limits),
      executor_(host.context().get_executor()),
      arrival_(std::move(arrival)),
      socket_(executor_),
      pause_(executor_) {
  socket_.assign(asio::generic::stream_protocol(arrival_.is_tcp ? AF_INET : AF_UNIX, 0),
                 arrival_.socket.get());
  arrival_.socket.release();
  socket_.native_non_blocking(true);
  host_.add(this);
}

Served::~Served() {
  peer_->set_gone();
  host_.remove(this);
}

Task<> Served::run() {
  bool alive = !arrival_.speaks_tls || co_await begin_tls();
  while (alive) alive = co_await serve_one();
  if (tls_ && !cut_) {
    tls_->seal_end();
    tls_->flush();
  }
  error_code ignored;
  socket_.close(ignored);
}

// Makes the connection one of TLS. False: it is over.
Task<bool> Served::begin_tls() {
  set_deadline(limits_.tls_handshake_wait);
  // Whoever forgot the s of https gets an answer that can be read.
  char first = 0;
  while (recv(socket_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1) {
    if (!co_await wait_until(Socket::wait_read)) {
      if (expired_) ++shared_.counters.timeouts;
      co_return false;
    }
    // Readable without a byte is the end.
    if (recv(socket_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1) co_return false;
  }
  if (first >= 'A' && first <= 'Z') {
    co_await refuse({400, "This port speaks TLS: the address begins with https."});
    co_return false;
  }
  tls_ = std::make_unique<TlsSession>(*shared_.tls, socket_.native_handle());
  const bool done = co_await shake_hands();
  if (expired_) ++shared_.counters.timeouts;
  if (!done && !expired_ && !cut_) {
    ++shared_.counters.requests_malformed;
    co_await linger();  // So that the alert arrives.
  }
  co_return done;
}

// Under the deadline of begin_tls: it is one for the whole handshake.
Task<bool> Served::shake_hands() {
  while (true) {
    const TlsStep step = tls_->shake_hands();
    Sent sent = tls_->flush();
    while (sent == Sent::kWouldBlock) {
      if (!co_await wait_until(Socket::wait_write)) co_return false;
      sent = tls_->flush();
    }
    if (sent == Sent::kFailed) co_return false;
    if (step != TlsStep::kWantsRead) co_return step == TlsStep::kDone;
    if (!co_await wait_until(Socket::wait_read)) co_return false;
  }
}

Task<bool> Served::serve_one() {
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
  RequestBody body(exchange->head, limits_);
  head_bytes_ = 0;

  co_await decide(exchange);
  bool alive = !cut_;
  if (alive && !abandoned_ && !exchange->response) alive = co_await take_body(exchange, body);
  if (alive && abandoned_) {
    exchange = make_late_answer(*exchange);
    body.broken = true;
    keep_alive = false;
  }

  bool complete_answer = false;
  int status = 0;
  if (alive) {
    const bool all_read = body.decoder.done();
    if ((!all_read && !body.rest_is_small(limits_)) || peer_->gone() || shared_.draining) {
      keep_alive = false;
    }
    Held held(shared_.held_bytes);
    if (exchange->head.method != "HEAD" && !held.add(exchange->text_bytes(), limits_)) {
      ++shared_.counters.requests_refused;
      exchange->fail(shared_.app, busy());
    }
    status = exchange->response->status;
    alive = complete_answer = co_await respond(exchange, keep_alive);
  }
  const Outcome outcome{
      .status = status,
      .received_bytes = body.received_bytes,
      .sent_bytes = sent_bytes_ - std::min(sent_bytes_, sent_before + head_bytes_),
      .duration = std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - start),
      .complete = complete_answer};
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
Task<bool> Served::read_head(std::optional<RequestHead>& head, std::optional<Refusal>& refusal) {
  size_t searched = 0;
  size_t empty_lines = 0;
  bool begun = false;
  idle_since_ = SteadyClock::now();
  set_deadline(first_ ? limits_.head_wait : limits_.keep_alive_wait);
  while (true) {
    while (searched == 0 && inbox_.view().starts_with("\r\n") && empty_lines < kEmptyLinesMax) {
      inbox_.consume(2);
      ++empty_lines;
    }
    idle_ = inbox_.view().empty();
    if (idle_) inbox_.shrink();
    if (idle_ && tls_) tls_->shrink();
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
  head->tls = arrival_.tls;
  head->request_id = choose_request_id(head->headers);
  head->peer = peer_;
  head->note = shared_.app.make_note();
  co_return true;
}

// Asks the App. Afterwards there is a plan or a response, or the request was abandoned or cut.
Task<> Served::decide(std::shared_ptr<Exchange> exchange) {
  Ran ran = co_await on_pool(
      shared_.pool, Pool::Kind::kNew,
      [exchange, &shared = shared_] { exchange->begin(shared.app, shared.compress); },
      limits_.handler_wait, exchange);
  if (ran != Ran::kRefused) co_return;
  ++shared_.counters.requests_refused;
  exchange->fail(shared_.app, busy());
}

// Moves the body into the sink. False: the peer is gone. Otherwise there is a response, possibly
// with part of the body unread.
Task<bool> Served::take_body(std::shared_ptr<Exchange> exchange, RequestBody& body) {
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
        shared_.pool, Pool::Kind::kBegun,
        [exchange, filled, last, &shared = shared_] {
          exchange->take_block(shared.app, filled, last, shared.compress);
        },
        limits_.handler_wait, exchange);
    if (ran == Ran::kCut) co_return false;
    if (ran == Ran::kRefused) exchange->fail(shared_.app, busy());
    if (ran == Ran::kOverdue || exchange->response) co_return true;
  }
}

// Fills `block` as far as the body goes. False: the peer is gone. `refusal`: the body is malformed
// or too slow.
Task<bool> Served::fill_block(std::span<uint8_t> block, RequestBody& body, size_t& filled,
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
      size_t count = co_await read_some(room, error);
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
Task<bool> Served::respond(std::shared_ptr<Exchange> exchange, bool& keep_alive) {
  Response& response = *exchange->response;
  if (response.status < 200 || response.status > 599) response.status = 500;
  ResponseHead head =
      write_response_head(response, {.method = exchange->head.method,
                                     .request_id = exchange->head.request_id,
                                     .date = host_.date(),
                                     .http_1_0 = exchange->head.http_version == "1.0",
                                     .keep_alive = keep_alive});
  keep_alive = head.keep_alive;
  head_bytes_ = head.text.size();
  ++shared_.counters.responses_by_class[response.status / 100];
  if (head.framing == Framing::kNoBody) co_return co_await send_all({head.text}, false);
  drop_empty_parts(response.body);  // So that "more follows" is never a lie.
  const bool chunked = head.framing == Framing::kChunked;
  size_t next = 0;
  Part* first = response.body.empty() ? nullptr : &response.body.front();
  auto* text = std::get_if<std::string>(first);
  if (text && !chunked) {
    // The usual answer: one system call.
    if (!co_await send_all({head.text, *text}, response.body.size() > 1)) co_return false;
    next = 1;
  } else {
    const bool file_follows = std::get_if<FileRange>(first) != nullptr;
    if (!co_await send_all({head.text}, file_follows)) co_return false;
  }
  for (; next < response.body.size(); ++next) {
    bool last = next + 1 == response.body.size();
    if (!co_await send_part(exchange, response.body[next], chunked, last)) co_return false;
  }
  if (chunked) co_return co_await send_all({"0\r\n\r\n"}, false);
  co_return true;
}

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

// Answers a head that never became a request, and ends the connection.
Task<> Served::refuse(Refusal refusal) {
  ++shared_.counters.requests_malformed;
  auto exchange = std::make_shared<Exchange>();
  exchange->head.request_id = choose_request_id({});
  exchange->response = edge_error(refusal.status, refusal.message);
  bool keep_alive = false;
  if (co_await respond(exchange, keep_alive)) co_await linger();
}

// Reads the small rest of a body that nobody wanted, so that the connection can go on.
Task<bool> Served::drain(RequestBody& body) {
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
Task<> Served::linger() {
  if (tls_) {
    tls_->seal_end();
    tls_->flush();
    tls_.reset();  // What comes now is dropped unread.
  }
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
Task<Ran> Served::on_pool(Pool& pool, Pool::Kind kind, std::function<void()> work,
                          milliseconds wait, std::shared_ptr<Exchange> exchange) {
  if (cut_) co_return Ran::kCut;
  auto call = std::make_shared<PoolCall>(executor_);
  bool maybe_queued = kind == Pool::Kind::kNew;
  const SteadyClock::time_point start = SteadyClock::now();
  auto job = pool.submit(kind, [call, work = std::move(work), executor = executor_]() mutable {
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
      abandoned_ = !pool.withdraw(job);
      ran = Ran::kCut;
      break;
    }
    if (!expired_) continue;
    if (maybe_queued && pool.withdraw(job)) {
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
      if (pool.withdraw(job)) {
        ran = Ran::kRefused;
        break;
      }
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
  set_deadline(limits_.stream_idle);
  error_code error;
  co_await socket_.async_wait(Socket::wait_write, asio::redirect_error(kAwait, error));
  deadline_ = kNever;
  if (expired_) {
    ++shared_.counters.timeouts;
    // Else the kernel keeps what was not taken, megabytes for each, for as long as the peer likes.
    const struct linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  if (error) give_up();
  co_return !error && !cut_;
}

void Served::set_deadline(milliseconds from_now) {
  deadline_ = SteadyClock::now() + from_now;
  expired_ = false;
}

void Served::check_deadline(SteadyClock::time_point now) {
  if (now < deadline_) return;
  expired_ = true;
  interrupt();
}

// Ends every wait of the coroutine; it looks at expired_, cut_ and the peer to see why.
void Served::interrupt() {
  error_code ignored;
  socket_.cancel(ignored);
  if (waited_) waited_->cancel(ignored);
  if (call_) call_->signal.cancel();
  pause_.cancel();
}

void Served::on_peer_gone() {
  give_up();
  if (waited_) {
    error_code ignored;
    waited_->cancel(ignored);
  }
}

void Served::close_if_idle(SteadyClock::time_point since) {
  if (idle_ && idle_since_ <= since) cut();
}

void Served::cut() {
  cut_ = true;
  give_up();
  interrupt();
  error_code ignored;
  socket_.close(ignored);
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

void start_connection(ConnectionHost& host, Arrival arrival) {
  try {
    auto connection = std::make_unique<Served>(host, std::move(arrival));
    asio::co_spawn(host.context(), serve(std::move(connection)), log_escaped);
  } catch (...) {
    // The reactor could not take the socket; it is closed by its owner.
    log_escaped(std::current_exception());
  }
}

}  // namespace hearth::http
