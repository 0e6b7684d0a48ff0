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
      // Whoever waits comes first. Each is woken alone, when it is its turn: waking all of them at
      // each change made a busy pool spend a sixth of its time on switching threads.
      if (!waiting_.empty() || lent_count_ >= count_max_) {
        std::condition_variable my_turn;
        const auto place = waiting_.insert(waiting_.end(), &my_turn);
        const bool mine = my_turn.wait_for(
            lock, wait_, [&] { return waiting_.front() == &my_turn && lent_count_ < count_max_; });
        waiting_.erase(place);
        if (!mine) {
          wake_next();
          throw Error(ErrorKind::kUnavailable, "The database is busy. Try again in a moment.",
                      {.retry_after_s = 5});
        }
        ++lent_count_;
        wake_next();
      } else {
        ++lent_count_;
      }
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
    wake_next();
  }

  /// Under the lock: the condition lives until its owner has left the list.
  void wake_next() {
    if (!waiting_.empty() && lent_count_ < count_max_) waiting_.front()->notify_one();
  }

  const size_t count_max_;
  const std::chrono::milliseconds wait_;
  const Open open_;
  std::mutex mutex_;
  std::list<std::condition_variable*> waiting_;  // Of those that wait, in the order they came.
  size_t lent_count_ = 0;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace hearth::db
