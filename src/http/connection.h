#pragma once
// One connection, as its loop sees it. Asio stays in the .cc files.

#include <chrono>
#include <string_view>

#include "http/loop.h"

namespace boost::asio {
class io_context;
}

namespace hearth::http {

/// A connection that is being served. Called on its loop's thread only.
class Connection {
 public:
  virtual ~Connection() = default;

  /// Interrupts the wait that has gone on for too long, if any.
  virtual void check_deadline(std::chrono::steady_clock::time_point now) = 0;
  /// Whether the loop should look if the peer is still there: a handler runs or a stream waits.
  virtual bool watches_peer() const = 0;
  virtual int native_socket() = 0;
  virtual void on_peer_gone() = 0;
  /// Ends the connection if it has been between requests since `since` or longer.
  virtual void close_if_idle(std::chrono::steady_clock::time_point since) = 0;
  /// Ends the connection now.
  virtual void cut() = 0;
};

/// What a connection needs of its loop; outlives it.
class ConnectionHost {
 public:
  virtual ~ConnectionHost() = default;
  virtual boost::asio::io_context& context() = 0;
  virtual Shared& shared() = 0;
  virtual void add(Connection* connection) = 0;
  virtual void remove(Connection* connection) = 0;
  /// The Date header of now.
  virtual std::string_view date() = 0;
};

/// Serves a connection until its end. On the loop's thread. Shared::leave() is called in any case.
void start_connection(ConnectionHost& host, Arrival arrival);

}  // namespace hearth::http
