#include "http/pool.h"

#include <utility>

#include "base/error.h"

namespace hearth::http {

Pool::Pool(int thread_count, uint64_t queue_max) : queue_max_(queue_max) {
  const bool made = sem_init(&wake_, /*pshared=*/0, /*value=*/0) == 0;
  HEARTH_ASSERT(made, "0 is no value too large");
  threads_.reserve(static_cast<size_t>(thread_count));
  for (int i = 0; i < thread_count; ++i) threads_.emplace_back([this] { work(); });
}

Pool::~Pool() {
  stop();
  sem_destroy(&wake_);
}

std::shared_ptr<Pool::Job> Pool::submit(Kind kind, std::function<void()> run) {
  auto job = std::make_shared<Job>();
  job->run_ = std::move(run);
  job->kind_ = kind;
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || (kind == Kind::kNew && fresh_.size() >= queue_max_)) return nullptr;
    Queue& queue = kind == Kind::kNew ? fresh_ : begun_;
    queue.push_back(job);
    job->place_ = std::prev(queue.end());
    wake_one_if_asleep();
  }
  return job;
}

/// One at a time, who wakes the next if there is more to do: where the threads have fewer cores
/// than there are jobs, one awake does many of them, and each wake costs two switches of context.
void Pool::wake_one_if_asleep() {
  if (waking_ || sleeping_count_ == 0) return;
  waking_ = true;
  sem_post(&wake_);
}

void Pool::sleep(std::unique_lock<std::mutex>& lock) {
  ++sleeping_count_;
  lock.unlock();
  while (sem_wait(&wake_) != 0) {  // A signal's handler ran.
  }
  lock.lock();
  --sleeping_count_;
  waking_ = false;
}

bool Pool::withdraw(const std::shared_ptr<Job>& job) {
  std::lock_guard lock(mutex_);
  if (job->state_ != Job::State::kQueued) return false;
  (job->kind_ == Kind::kNew ? fresh_ : begun_).erase(job->place_);
  job->state_ = Job::State::kWithdrawn;
  return true;
}

void Pool::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  for (size_t i = 0; i < threads_.size(); ++i) sem_post(&wake_);
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

uint64_t Pool::queue_length() const {
  std::lock_guard lock(mutex_);
  return fresh_.size() + begun_.size();
}

uint64_t Pool::busy_count() const {
  std::lock_guard lock(mutex_);
  return busy_count_;
}

void Pool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    while (!stopping_ && fresh_.empty() && begun_.empty()) sleep(lock);
    Queue& queue = begun_.empty() ? fresh_ : begun_;
    if (queue.empty()) return;
    std::shared_ptr<Job> job = std::move(queue.front());
    queue.pop_front();
    if (!fresh_.empty() || !begun_.empty()) wake_one_if_asleep();
    job->state_ = Job::State::kTaken;
    ++busy_count_;
    lock.unlock();
    job->run_();
    // What the work held (a request, a child process) is let go here, not under the lock.
    job->run_ = nullptr;
    job.reset();
    lock.lock();
    --busy_count_;
  }
}

}  // namespace hearth::http
