#pragma once
// Connections that are lent out, first come first served (private to the module).

#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "base/error.h"

namespace hearth::db {

/// At most `count_max` connections, opened when first needed and kept.
///
/// Waiters are served in their order: under load a plain mutex would let a busy thread pass the
/// same one again and again. A wait longer than `wait_ms` is Error{kUnavailable}.
template <typename Connection>
class ConnectionPool {
 public:
  using Open = std::function<std::unique_ptr<Connection>()>;

  ConnectionPool(size_t count_max, int64_t wait_ms, Open open)
      : count_max_(count_max), wait_(wait_ms), open_(std::move(open)) {}

  /// A lent connection; goes back when this is destroyed, unless it was discarded.
  class Lease {
   public:
    Lease(ConnectionPool& pool, std::unique_ptr<Connection> connection)
        : pool_(&pool), connection_(std::move(connection)) {}
    Lease(Lease&& other) noexcept = default;
    ~Lease() {
      if (connection_ || discarded_) pool_->give_back(std::move(connection_));
    }
    Connection& operator*() { return *connection_; }
    Connection* operator->() { return connection_.get(); }
    /// Closes a connection that is broken: the next lease opens another.
    void discard() {
      connection_.reset();
      discarded_ = true;
    }

   private:
    ConnectionPool* pool_;
    std::unique_ptr<Connection> connection_;
    bool discarded_ = false;
  };

  Lease lease() {
    std::unique_ptr<Connection> connection;
    {
      std::unique_lock lock(mutex_);
      const auto place = waiting_.insert(waiting_.end(), 0);
      const bool mine = changed_.wait_for(
          lock, wait_, [&] { return waiting_.begin() == place && lent_count_ < count_max_; });
      waiting_.erase(place);
      changed_.notify_all();
      if (!mine) {
        throw Error(ErrorKind::kUnavailable, "The database is busy. Try again in a moment.",
                    {.retry_after_s = 5});
      }
      ++lent_count_;
      if (!idle_.empty()) {
        connection = std::move(idle_.back());
        idle_.pop_back();
      }
    }
    if (!connection) {
      try {
        connection = open_();
      } catch (...) {
        give_back(nullptr);
        throw;
      }
    }
    return Lease(*this, std::move(connection));
  }

  /// Closes what nobody uses just now: after the server went away, all of it is stale.
  void close_idle() {
    std::vector<std::unique_ptr<Connection>> closing;
    const std::lock_guard lock(mutex_);
    closing.swap(idle_);
  }

 private:
  void give_back(std::unique_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    if (connection) idle_.push_back(std::move(connection));
    --lent_count_;
    changed_.notify_all();
  }

  const size_t count_max_;
  const std::chrono::milliseconds wait_;
  const Open open_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<int> waiting_;  // A place in the queue each; only its order matters.
  size_t lent_count_ = 0;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace hearth::db
