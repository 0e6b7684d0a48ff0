#pragma once
// The HTTP/1.1 server, seen from the rest of the program. Nothing of Asio shows here.
//
// Sockets are coroutines on a few edge threads. Everything an App writes (begin, sinks, handlers,
// generators) is plain blocking code that runs on a bounded pool. A request goes:
//
//   head -> App::begin -> Plan -> body blocks -> BodySink::write … finish -> Plan::handle ->
//   Response
//                      -> Response (refused before the body is read)
//
// and a Response is a value: status, headers and a list of parts that the edge sends.

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/fs.h"
#include "http/headers.h"
#include "http/limits.h"

namespace hearth::http {

/// Header fields in the order of arrival. Names compare without case; a name may occur twice.
class Headers {
 public:
  struct Field {
    std::string name;
    std::string value;
  };

  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

  /// The first value of `name`, or nothing. The view ends with the next change of this object.
  std::optional<std::string_view> get(std::string_view name) const;
  std::vector<std::string_view> get_all(std::string_view name) const;
  bool has(std::string_view name) const { return get(name).has_value(); }

  /// Sets `name` to one value and drops others of that name. `value` is UTF-8 text and is made safe
  /// for the wire: control characters (CR, LF, NUL …) become spaces, characters outside latin-1
  /// become '?', the rest is stored as latin-1. Throws Error{kInternal} if `name` is not a token.
  void set(std::string_view name, std::string_view value);
  /// As set, but keeps others of that name (Set-Cookie, X-HF-Warning).
  void add(std::string_view name, std::string_view value);
  void remove(std::string_view name);

  /// As add, for a value that a parser has already checked; bytes are kept as they are.
  void add_raw(std::string name, std::string value);

  const std::vector<Field>& fields() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

/// Whether the peer is still there. Shared between the edge and what runs on the pool, because
/// either may outlive the other.
class Peer {
 public:
  virtual ~Peer() = default;
  /// True once the peer has closed, the request's time is over, or the server gives up on stopping.
  /// Long handlers look here between steps; the edge notices within a quarter of a second.
  virtual bool gone() const noexcept = 0;
};

/// What an App notes of a request in begin or a handler, to find it again in on_error and on_done.
/// It is shared by the edge and the pool, because a handler that took too long goes on after its
/// request has ended: implementations guard themselves.
class AppNote {
 public:
  virtual ~AppNote() = default;
};

/// A request without its body. It lives until its response has been sent: handlers may keep a
/// reference.
struct RequestHead {
  std::string method;     // As sent; methods are case-sensitive.
  std::string target;     // As sent, but for the absolute form: then its path and query.
  std::string raw_path;   // Undecoded: `{rev}` may be `refs%2Fpr%2F1`. Starts with '/', or is "*".
  std::string raw_query;  // Undecoded, without '?'.
  std::string http_version;  // "1.0" or "1.1"
  Headers headers;           // Values without surrounding blanks; bytes as sent.
  std::string host;          // Of the Host header (or absolute form), with the port; may be empty.
  std::string remote_address;  // "127.0.0.1", "::1" or "unix"
  uint16_t remote_port = 0;
  uint16_t local_port = 0;  // Tells the listeners apart.
  bool tls = false;         // Whether the client speaks TLS (to us, or to a proxy before us).
  std::optional<uint64_t> content_length;  // Absent: no body, or a chunked one.
  bool chunked = false;
  std::string request_id;            // What X-Request-Id of the answer will say; fit for logs.
  std::shared_ptr<const Peer> peer;  // Never null in App calls.
  std::shared_ptr<AppNote> note;     // What App::make_note made.

  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
  /// Whether the media type of Content-Type is `type` ("application/json"); parameters are ignored.
  bool content_type_is(std::string_view type) const;
};

/// Where a request body goes, block by block, in order and never two calls at once.
class BodySink {
 public:
  virtual ~BodySink() = default;
  /// On a pool thread; may block; may throw Error, which becomes the answer. At most
  /// Limits::body_block_bytes at once.
  virtual void write(std::span<const uint8_t> block) = 0;
  /// After the last block, before Plan::handle. Destroyed without it = the body never ended.
  virtual void finish() {}
  /// A descriptor that the edge waits for to become writable before each write (a child's standard
  /// input), or -1. It must stay the same and open.
  virtual int wait_fd() const { return -1; }
};

/// Keeps a small body. Throws kTooLarge past `bytes_max` (the plan's limit usually speaks first).
class StringSink : public BodySink {
 public:
  explicit StringSink(uint64_t bytes_max) : bytes_max_(bytes_max) {}
  void write(std::span<const uint8_t> block) override;
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  uint64_t bytes_max_;
  std::string text_;
};

/// Reads a body and forgets it (telemetry).
class NullSink : public BodySink {
 public:
  void write(std::span<const uint8_t>) override {}
};

/// Compares a file's bytes with what they should be before they leave. Any thread.
class FileCheck {
 public:
  virtual ~FileCheck() = default;
  /// Whether is_good() would answer at once.
  virtual bool is_fresh(uint64_t offset_bytes, uint64_t length_bytes) const noexcept = 0;
  /// Reads; on a pool thread. False cuts the connection: the status has been sent.
  virtual bool is_good(uint64_t offset_bytes, uint64_t length_bytes) const noexcept = 0;
};

/// Part of an open file; leaves by sendfile. The descriptor is shared because a multi-range answer
/// has many parts of one file, and a cache may hold the file open at the same time.
struct FileRange {
  std::shared_ptr<Fd> fd;
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;  // A file that turns out shorter cuts the connection.
  std::shared_ptr<const FileCheck> check = nullptr;
};

/// Bytes made while they are sent: server-sent events, a child's output, reconstruction.
class Generator {
 public:
  virtual ~Generator() = default;

  /// Puts the next bytes (about 64 KiB to 1 MiB; never unbounded) into the empty `block`. False
  /// ends the body; `block` is then still sent. On a pool thread; an exception cuts the connection,
  /// since the status has been sent. True with an empty block means "not yet".
  virtual bool next(std::string& block) = 0;

  /// A descriptor (pipe, socket, eventfd; not a file) that the edge waits for to become readable
  /// before each next(), so that a slow source holds no thread; -1: call next() at once. It stays
  /// open and the same while the generator says so. A generator that says -1 and answers "not yet"
  /// again and again is asked at each tick.
  virtual int wait_fd() const { return -1; }
  /// Call next() after this long even if wait_fd() is not readable (heartbeats). Zero: never.
  virtual std::chrono::milliseconds wake_every() const { return std::chrono::milliseconds{0}; }
  /// How long no byte may come before the answer is cut. Zero: Limits::stream_idle.
  virtual std::chrono::milliseconds idle_max() const { return std::chrono::milliseconds{0}; }
  /// The whole length if known: then Content-Length is sent, else the body is chunked. A generator
  /// that makes fewer or more bytes cuts the connection.
  virtual std::optional<uint64_t> length_bytes() const { return std::nullopt; }
};

/// A piece of a body.
using Part = std::variant<std::string, FileRange, std::unique_ptr<Generator>>;
/// A body is its parts one after the other (multipart/byteranges is many). No part: no body.
using Body = std::vector<Part>;

/// The sum of the parts, or nothing if a generator does not know its length.
std::optional<uint64_t> length_bytes(const Body& body);

/// An answer. The edge adds Date, Server, X-Request-Id, Connection and Content-Length or
/// Transfer-Encoding (and drops such fields set by others; except that a Content-Length set on a
/// bodyless answer to HEAD, or a 304, stands). For HEAD the body is measured and not sent.
struct Response {
  int status = 200;
  Headers headers;
  Body body;

  /// `serialized` is JSON text; application/json; charset=utf-8.
  static Response json(std::string serialized, int status = 200);
  /// text/plain; charset=utf-8.
  static Response text(std::string text, int status = 200);
  /// Any type.
  static Response bytes(std::string content, std::string_view content_type, int status = 200);
  /// No body: 204, 304, redirects.
  static Response empty(int status = 204);
  static Response redirect(std::string_view location, int status = 302);
  static Response stream(std::unique_ptr<Generator> generator, std::string_view content_type,
                         int status = 200);

  /// For chains: `return Response::json(…).with(kRepoCommit, oid);`
  Response&& with(std::string_view name, std::string_view value) &&;
};

/// What to do with a request that was not refused.
struct Plan {
  /// Longest body accepted, after decoding; more is 413. Known from Content-Length it is refused
  /// before a byte is read (and before 100-continue).
  uint64_t body_bytes_max = 0;
  /// Receives the body; lives until the response has been sent. Null: there should be no body.
  std::unique_ptr<BodySink> sink;
  /// Whether a gzip-encoded body is inflated on its way to the sink; if not it is 415.
  /// A body whose encoding shall reach the sink untouched sets `raw_encoding`.
  bool allow_gzip = false;
  bool raw_encoding = false;
  /// Makes the response, on a pool thread, after sink->finish().
  std::function<Response()> handle;
  /// Longest run of handle() before the client is answered 504. Zero: Limits::handler_wait; below
  /// Limits::queue_wait it counts as that. The function itself goes on until it looks at
  /// RequestHead::peer.
  std::chrono::milliseconds handler_wait{0};

  /// A plan that needs no body. One that is sent anyway is dropped up to Limits::drain_bytes_max,
  /// and 413 beyond.
  static Plan respond(std::function<Response()> handle);
  /// A plan that wants the body as a string of at most `body_bytes_max`.
  static Plan with_text(uint64_t body_bytes_max, std::function<Response(std::string)> handle);
};

/// What happened to one request; for logs and metrics.
struct Outcome {
  int status = 0;               // 0: no response could be sent
  uint64_t received_bytes = 0;  // Of the body, on the wire.
  uint64_t sent_bytes = 0;      // Of the body, on the wire.
  std::chrono::microseconds duration{0};
  bool complete = false;  // Everything was sent.
};

/// The program behind the server; implemented by api/. Called from many threads at once.
class App {
 public:
  virtual ~App() = default;
  /// An empty note for a request that arrives. On an edge thread: must not block or throw.
  virtual std::shared_ptr<AppNote> make_note() noexcept { return nullptr; }
  /// Decides on a request before its body is read: route, identity, access, limits. A Response
  /// refuses it (401, 403, 404, 413 …). On a pool thread; may block and throw.
  virtual std::variant<Plan, Response> begin(const RequestHead& head) = 0;
  /// Turns what begin, a sink or a handler threw into an answer. The edge asks too, on its own
  /// thread: kTooLarge for a body over the limit, kUnavailable with retry_after_s for a full queue.
  /// So it must be quick, and must not throw.
  virtual Response on_error(std::exception_ptr error, const RequestHead& head) = 0;
  /// After the response. On an edge thread: must not block or throw.
  virtual void on_done(const RequestHead& head, const Outcome& outcome) noexcept;
};

/// One address to listen on.
struct Listen {
  std::string address = "127.0.0.1";  // Numeric IPv4 or IPv6, or "unix:/path".
  uint16_t port = 0;                  // 0: any free one, see Server::port.
  // Whether a proxy in front of this address ends TLS, so that links must say https.
  bool behind_tls = false;
  // Whether this address itself speaks TLS, with ServerOptions::tls.
  bool tls = false;
};

/// Where a certificate and its key stand, as PEM.
struct TlsFiles {
  std::string cert_file;  // The server's certificate first, then those between it and the root.
  std::string key_file;   // Without a passphrase.
};

struct ServerOptions {
  std::vector<Listen> listen = {{}};
  std::optional<TlsFiles> tls;  // For the addresses that speak TLS.
  int edge_threads = 1;         // One drives about 70,000 small requests a second (stack 3).
  int pool_threads = 16;        // They wait on disks and databases more than they run.
  bool compress = true;         // gzip text answers from 1 KiB when the client accepts it.
  Limits limits;
};

/// Read at any time; counters only grow, gauges say what is.
struct Metrics {
  uint64_t requests = 0;
  uint64_t responses_by_class[6] = {};  // [2] counts 2xx …
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;
  uint64_t connections_accepted = 0;
  uint64_t connections_refused = 0;  // Over connections_max.
  uint64_t requests_refused = 0;     // 503 because of a full queue.
  uint64_t requests_malformed = 0;   // 400, 414, 431 … by the edge.
  uint64_t timeouts = 0;
  uint64_t held_bytes = 0;          // gauge: text of answers that are being sent
  uint64_t connections_active = 0;  // gauge
  uint64_t queue_length = 0;        // gauge
  uint64_t pool_busy = 0;           // gauge
  uint64_t pool_threads = 0;        // gauge
};

/// The server. Starts with the constructor, stops with stop() or the destructor.
class Server {
 public:
  /// Binds and starts threads. Throws Error if an address cannot be bound. `app` outlives this.
  Server(const ServerOptions& options, App& app);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// The port really bound for `options.listen[index]`.
  uint16_t port(size_t index = 0) const;
  Metrics metrics() const;

  /// Reads the certificate and key again if the files have changed, or anyway with
  /// `even_if_unchanged`; returns whether a new pair is in use. A pair that cannot be used is
  /// logged, and the old one stays; connections go on with the one they began with.
  bool reload_certificate(bool even_if_unchanged);

  /// Stops accepting, closes idle connections, lets running requests end for up to
  /// Limits::stop_wait, cuts the rest and joins every thread. A second call does nothing.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hearth::http
