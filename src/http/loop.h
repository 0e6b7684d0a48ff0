#pragma once
// One edge thread: its sockets, its clock tick, its connections. Asio stays in loop.cc.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "http/http.h"
#include "http/pool.h"
#include "http/tls.h"

namespace hearth::http {

/// Counters behind Metrics; touched by edge threads.
struct Counters {
  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> responses_by_class[6] = {};
  std::atomic<uint64_t> received_bytes{0};
  std::atomic<uint64_t> sent_bytes{0};
  std::atomic<uint64_t> connections_accepted{0};
  std::atomic<uint64_t> connections_refused{0};
  std::atomic<uint64_t> requests_refused{0};
  std::atomic<uint64_t> requests_malformed{0};
  std::atomic<uint64_t> timeouts{0};
};

/// What all loops of a server share. Owned by the server, outlives loops and connections.
struct Shared {
  Shared(const ServerOptions& options, App& app_in);

  App& app;
  const Limits limits;
  const bool compress;
  Counters counters;
  std::atomic<bool> draining{false};
  std::atomic<uint64_t> held_bytes{0};  // Text of answers that are being sent.
  std::unique_ptr<TlsIdentity> tls;     // Null: no address speaks TLS.
  Pool pool;
  Pool disk_pool;  // Brings files into the page cache; downloads shall not wait for handlers.

  /// Counts connections in all loops, and lets stop() wait for the last.
  bool enter(uint64_t connections_max);
  void leave();
  uint64_t connections_active() const;
  /// False if some are left at the deadline.
  bool wait_until_empty(std::chrono::milliseconds wait_max);

 private:
  mutable std::mutex mutex_;  // Guards active_.
  std::condition_variable empty_;
  uint64_t active_ = 0;
};

/// A connected socket and where it comes from.
struct Arrival {
  Fd socket;
  std::string remote_address;
  uint16_t remote_port = 0;
  uint16_t local_port = 0;
  bool is_tcp = true;
  bool tls = false;         // What RequestHead::tls will say.
  bool speaks_tls = false;  // To us, not to a proxy.
};

/// An edge thread. All but the constructor may be called from any thread.
class Loop {
 public:
  explicit Loop(Shared& shared);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Calls `on_readable` on this loop's thread whenever `listener` has connections to accept; it
  /// answers how long to pause before the next call (descriptors may have run out).
  void watch_listener(Fd listener, std::function<std::chrono::milliseconds(const Fd&)> on_readable);
  /// Serves a connection for which Shared::enter() was called; leave() follows by itself.
  void serve(Arrival arrival);

  /// Closes listeners and idle connections; running requests go on and are their connection's last.
  void drain();
  /// Closes everything now.
  void cut();
  /// Ends the thread, once no connection is left.
  void join();

  class Impl;  // In loop.cc.

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace hearth::http
