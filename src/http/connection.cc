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

#include <algorithm>
#include <array>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <sys/socket.h>

#include "base/log.h"
#include "http/response_head.h"
#include "http/served.h"

namespace hearth::http {
namespace {

constexpr size_t kReadBytes = 4 * 1024;       // One receive of a head; most are below 1 KiB.
constexpr size_t kReadBodyBytes = 64 * 1024;  // One receive of a chunked or unwanted body.
constexpr size_t kEmptyLinesMax = 4;  // Before a request line; old clients end bodies with CRLF.
constexpr int kRetryAfterBusy = 2;    // Seconds; a full queue empties in about that.

Error busy() {
  return Error(ErrorKind::kUnavailable, "The server is busy. Please retry in a moment.",
               {.retry_after_s = kRetryAfterBusy});
}

// A parameter lives in the coroutine's frame; a captured one would die with the lambda.
Task<> serve(std::unique_ptr<Served> connection) {
  co_await connection->run();
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
