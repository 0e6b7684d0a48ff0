#pragma once
// The bounded pool that runs what an App writes.

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <semaphore.h>

namespace hearth::http {

/// Threads with two queues. Requests that have begun (their next body block, handler or generator
/// step) go before new ones, and are never refused: refusing them would waste what was done.
class Pool {
 public:
  enum class Kind { kNew, kBegun };

  /// One piece of work; made by submit, and shared by the caller and the thread that runs it,
  /// because the caller may stop waiting.
  class Job {
   private:
    friend class Pool;
    enum class State { kQueued, kTaken, kWithdrawn };
    std::function<void()> run_;
    Kind kind_ = Kind::kNew;
    State state_ = State::kQueued;
    std::list<std::shared_ptr<Job>>::iterator place_;
  };

  Pool(int thread_count, uint64_t queue_max);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Queues `run`, which must not throw. Null: the queue of new work is full, or the pool stopped.
  std::shared_ptr<Job> submit(Kind kind, std::function<void()> run);
  /// Takes a job back. False if a thread has it already.
  bool withdraw(const std::shared_ptr<Job>& job);

  /// Runs what is queued, then ends the threads.
  void stop();

  uint64_t queue_length() const;
  uint64_t busy_count() const;
  uint64_t thread_count() const { return threads_.size(); }

 private:
  using Queue = std::list<std::shared_ptr<Job>>;

  void work();
  void wake_one_if_asleep();
  void sleep(std::unique_lock<std::mutex>& lock);

  const uint64_t queue_max_;
  mutable std::mutex mutex_;  // Guards everything below but threads_.
  // Not a condition variable: that of glibc 2.36 can lose a signal (sourceware 25847), and here one
  // that is lost would be the last.
  sem_t wake_;
  Queue fresh_;
  Queue begun_;
  uint64_t busy_count_ = 0;
  uint64_t sleeping_count_ = 0;
  bool waking_ = false;  // A sleeping thread was told, and has not looked yet.
  bool stopping_ = false;
  std::vector<std::thread> threads_;  // Changed by the constructor and stop() only.
};

}  // namespace hearth::http
