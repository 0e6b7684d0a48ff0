// Listening sockets, start and stop.

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "http/http.h"
#include "http/loop.h"

namespace hearth::http {
namespace {

// A burst of clients that start at once (a cluster job) waits here, not in SYN retries.
constexpr int kBacklog = 1024;
// While descriptors have run out; the backlog keeps the clients.
constexpr std::chrono::milliseconds kAcceptPause{100};
// Enough to keep a disk's queue from running dry.
constexpr int kDiskThreads = 4;
constexpr std::string_view kUnixPrefix = "unix:";

struct Address {
  sockaddr_storage storage{};
  socklen_t length_bytes = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// A login session's soft limit is often 1024, the hard one far higher. Gives the limits back with
// as many connections as fit.
ServerOptions with_descriptors(ServerOptions options);
Address read_address(const Listen& listen);
Fd bind_listener(const Listen& listen);
// The bound port; 0 for a Unix socket.
uint16_t bound_port(const Fd& socket);
void fill_peer(const sockaddr_storage& from, Arrival& arrival);
// Best effort: the connection is over its limit, and nobody waits for it.
void refuse_connection(const Fd& socket);

}  // namespace

class Server::Impl {
 public:
  Impl(const ServerOptions& options, App& app);
  ~Impl() { stop(); }

  uint16_t port(size_t index) const { return ports_.at(index); }
  Metrics metrics() const;
  bool reload_certificate(bool even_if_unchanged) {
    return shared_.tls && shared_.tls->reload(even_if_unchanged);
  }
  void stop();

 private:
  std::chrono::milliseconds accept_all(const Fd& listener, uint16_t port, const Listen& listen);

  Shared shared_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<uint16_t> ports_;
  std::vector<std::string> unix_paths_;
  size_t next_loop_ = 0;  // Used by the first loop's thread only.
  bool stopped_ = false;
};

Server::Server(const ServerOptions& options, App& app)
    : impl_(std::make_unique<Impl>(options, app)) {}
Server::~Server() = default;
uint16_t Server::port(size_t index) const {
  return impl_->port(index);
}
Metrics Server::metrics() const {
  return impl_->metrics();
}
bool Server::reload_certificate(bool even_if_unchanged) {
  return impl_->reload_certificate(even_if_unchanged);
}
void Server::stop() {
  impl_->stop();
}

Server::Impl::Impl(const ServerOptions& options, App& app)
    : shared_(with_descriptors(options), app) {
  std::vector<Fd> listeners;
  for (const Listen& listen : options.listen) {
    HEARTH_ASSERT(!listen.tls || shared_.tls, "an address that speaks TLS needs a certificate");
    listeners.push_back(bind_listener(listen));
    ports_.push_back(bound_port(listeners.back()));
    if (listen.address.starts_with(kUnixPrefix)) {
      unix_paths_.push_back(listen.address.substr(kUnixPrefix.size()));
    }
  }
  for (int i = 0; i < std::max(1, options.edge_threads); ++i) {
    loops_.push_back(std::make_unique<Loop>(shared_));
  }
  for (size_t i = 0; i < listeners.size(); ++i) {
    loops_.front()->watch_listener(
        std::move(listeners[i]),
        [this, port = ports_[i], listen = options.listen[i]](const Fd& listener) {
          return accept_all(listener, port, listen);
        });
  }
}

std::chrono::milliseconds Server::Impl::accept_all(const Fd& listener, uint16_t port,
                                                   const Listen& listen) {
  while (true) {
    sockaddr_storage from{};
    socklen_t from_bytes = sizeof from;
    Fd socket(accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &from_bytes,
                      SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return std::chrono::milliseconds{0};
      if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
      log_warning("http: accept: {}", std::strerror(errno));
      return kAcceptPause;
    }
    ++shared_.counters.connections_accepted;
    if (!shared_.enter(shared_.limits.connections_max)) {
      ++shared_.counters.connections_refused;
      if (!listen.tls) refuse_connection(socket);
      continue;
    }
    Arrival arrival;
    arrival.local_port = port;
    arrival.tls = listen.tls || listen.behind_tls;
    arrival.speaks_tls = listen.tls;
    fill_peer(from, arrival);
    if (arrival.is_tcp) {
      int on = 1;
      setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    arrival.socket = std::move(socket);
    next_loop_ = (next_loop_ + 1) % loops_.size();
    loops_[next_loop_]->serve(std::move(arrival));
  }
}

Metrics Server::Impl::metrics() const {
  const Counters& counters = shared_.counters;
  Metrics metrics;
  metrics.requests = counters.requests;
  for (size_t i = 0; i < std::size(metrics.responses_by_class); ++i) {
    metrics.responses_by_class[i] = counters.responses_by_class[i];
  }
  metrics.received_bytes = counters.received_bytes;
  metrics.sent_bytes = counters.sent_bytes;
  metrics.connections_accepted = counters.connections_accepted;
  metrics.connections_refused = counters.connections_refused;
  metrics.requests_refused = counters.requests_refused;
  metrics.requests_malformed = counters.requests_malformed;
  metrics.timeouts = counters.timeouts;
  metrics.held_bytes = shared_.held_bytes;
  metrics.connections_active = shared_.connections_active();
  metrics.queue_length = shared_.pool.queue_length();
  metrics.pool_busy = shared_.pool.busy_count();
  metrics.pool_threads = shared_.pool.thread_count();
  return metrics;
}

void Server::Impl::stop() {
  if (std::exchange(stopped_, true)) return;
  shared_.draining = true;
  for (auto& loop : loops_) loop->drain();
  for (const std::string& path : unix_paths_) unlink(path.c_str());
  if (!shared_.wait_until_empty(shared_.limits.stop_wait)) {
    log_warning("http: {} connections were cut after {} ms", shared_.connections_active(),
                shared_.limits.stop_wait.count());
  }
  for (auto& loop : loops_) loop->cut();
  // Coroutines that wait for the pool are let go by cut(); what the pool runs ends by itself.
  while (!shared_.wait_until_empty(std::chrono::seconds(1))) {
    for (auto& loop : loops_) loop->cut();
  }
  shared_.pool.stop();
  shared_.disk_pool.stop();
  for (auto& loop : loops_) loop->join();
}

Shared::Shared(const ServerOptions& options, App& app_in)
    : app(app_in),
      limits(options.limits),
      compress(options.compress),
      tls(options.tls ? std::make_unique<TlsIdentity>(*options.tls) : nullptr),
      pool(std::max(1, options.pool_threads), options.limits.queue_max),
      disk_pool(kDiskThreads, options.limits.queue_max) {}

bool Shared::enter(uint64_t connections_max) {
  std::lock_guard lock(mutex_);
  if (active_ >= connections_max) return false;
  ++active_;
  return true;
}

void Shared::leave() {
  std::lock_guard lock(mutex_);
  if (--active_ == 0) empty_.notify_all();
}

uint64_t Shared::connections_active() const {
  std::lock_guard lock(mutex_);
  return active_;
}

bool Shared::wait_until_empty(std::chrono::milliseconds wait_max) {
  std::unique_lock lock(mutex_);
  return empty_.wait_for(lock, wait_max, [this] { return active_ == 0; });
}

namespace {

ServerOptions with_descriptors(ServerOptions options) {
  constexpr uint64_t kOthers = 512;  // The database, packs, children: what no connection holds.
  uint64_t& connections_max = options.limits.connections_max;
  // Each connection may hold a socket, a file and a pipe.
  const rlim_t wanted = static_cast<rlim_t>(connections_max * 3 + kOthers);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return options;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) getrlimit(RLIMIT_NOFILE, &limit);
  // Most of them are idle and hold only the socket; so two thirds may be sockets.
  const uint64_t left = limit.rlim_cur > kOthers + 64 ? limit.rlim_cur - kOthers : 64;
  const uint64_t fit = left / 3 * 2;
  if (fit >= connections_max) return options;
  log_warning("http: {} open files are allowed (ulimit -n): {} connections at once, not {}",
              limit.rlim_cur, fit, connections_max);
  connections_max = fit;
  return options;
}

Address read_address(const Listen& listen) {
  Address address;
  if (listen.address.starts_with(kUnixPrefix)) {
    std::string path = listen.address.substr(kUnixPrefix.size());
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof un.sun_path) {
      throw Error(ErrorKind::kInvalid, "The path of the Unix socket is empty or too long: " + path);
    }
    std::memcpy(un.sun_path, path.data(), path.size());
    std::memcpy(&address.storage, &un, sizeof un);
    address.length_bytes = sizeof un;
    return address;
  }
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET, listen.address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(listen.port);
    std::memcpy(&address.storage, &v4, sizeof v4);
    address.length_bytes = sizeof v4;
  } else if (inet_pton(AF_INET6, listen.address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(listen.port);
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.length_bytes = sizeof v6;
  } else {
    throw Error(ErrorKind::kInvalid,
                "The address to listen on is not a numeric IP address: " + listen.address);
  }
  return address;
}

Fd bind_listener(const Listen& listen) {
  Address address = read_address(listen);
  int family = address.get()->sa_family;
  Fd socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) throw_errno("opening a listening socket", errno);
  int on = 1;
  if (family == AF_UNIX) {
    // A file left by a process that was killed; a live server's would be taken over, which its
    // owner prevents with a lock on the folder.
    unlink(listen.address.c_str() + kUnixPrefix.size());
  } else {
    setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  if (bind(socket.get(), address.get(), address.length_bytes) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    throw Error(ErrorKind::kUnavailable, "Cannot listen on " + listen.address + " port " +
                                             std::to_string(listen.port) + ": " +
                                             std::strerror(errno));
  }
  if (family == AF_UNIX) {
    // Whoever may connect may do everything, so only our own user may.
    chmod(listen.address.c_str() + kUnixPrefix.size(), S_IRUSR | S_IWUSR);
  }
  return socket;
}

uint16_t bound_port(const Fd& socket) {
  Address address;
  address.length_bytes = sizeof address.storage;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address.storage),
                  &address.length_bytes) != 0) {
    throw_errno("reading the bound port", errno);
  }
  Arrival self;
  fill_peer(address.storage, self);
  return self.remote_port;
}

void fill_peer(const sockaddr_storage& from, Arrival& arrival) {
  char text[INET6_ADDRSTRLEN] = {};
  if (from.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &from, sizeof v4);
    arrival.remote_address = inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    arrival.remote_port = ntohs(v4.sin_port);
  } else if (from.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &from, sizeof v6);
    arrival.remote_address = inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    arrival.remote_port = ntohs(v6.sin6_port);
    // A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d; limits and logs want the plain form.
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) arrival.remote_address.erase(0, 7);
  } else {
    arrival.remote_address = "unix";
    arrival.is_tcp = false;
  }
}

void refuse_connection(const Fd& socket) {
  constexpr std::string_view kAnswer =
      "HTTP/1.1 503 Service Unavailable\r\nServer: hearth\r\nRetry-After: 5\r\n"
      "Content-Type: application/json; charset=utf-8\r\nContent-Length: 47\r\n"
      "Connection: close\r\n\r\n"
      "{\"error\":\"Too many connections. Please retry.\"}";
  [[maybe_unused]] ssize_t sent =
      send(socket.get(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  shutdown(socket.get(), SHUT_WR);
}

}  // namespace
}  // namespace hearth::http
