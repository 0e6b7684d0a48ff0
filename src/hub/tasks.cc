#include "hub/tasks.h"

#include <chrono>

#include "base/bytes.h"
#include "base/log.h"

namespace hearth::hub {
namespace {

/// Errors that another attempt would meet again.
bool is_permanent(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
    case ErrorKind::kUnprocessable:
    case ErrorKind::kForbidden:
    case ErrorKind::kNotFound:
    case ErrorKind::kCorrupt:
    case ErrorKind::kUnsupported:
      return true;
    case ErrorKind::kUnauthenticated:
    case ErrorKind::kGated:
    case ErrorKind::kConflict:
    case ErrorKind::kPreconditionFailed:
    case ErrorKind::kTooLarge:
    case ErrorKind::kRangeNotSatisfiable:
    case ErrorKind::kRateLimited:
    case ErrorKind::kUnavailable:
    case ErrorKind::kInternal:
      return false;
  }
  return false;
}

}  // namespace

void Tasks::wait_for_work(int64_t wait_ms) {
  std::unique_lock lock(wake_mutex_);
  const uint64_t seen_count = wake_count_;
  wake_.wait_for(lock, std::chrono::milliseconds(wait_ms),
                 [&] { return wake_count_ != seen_count; });
}

void Tasks::wake() {
  const std::lock_guard lock(wake_mutex_);
  ++wake_count_;
  wake_.notify_all();
}

TaskContext::TaskContext(Tasks& tasks, Task task, std::string lease_owner)
    : tasks_(tasks), task_(std::move(task)), lease_owner_(std::move(lease_owner)) {}

void TaskContext::set_progress(json::object progress) {
  const std::lock_guard lock(mutex_);
  progress_ = std::move(progress);
}

void TaskContext::log(std::string_view line) {
  const std::lock_guard lock(mutex_);
  log_ += line;
  log_ += '\n';
  // Between two heartbeats the last part is enough.
  if (log_.size() > 2 * kTaskLogBytesMax) log_.erase(0, log_.size() - kTaskLogBytesMax);
}

bool TaskContext::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_ || lost_;
}

void TaskContext::finish(db::Tx& tx) {
  std::string log;
  {
    const std::lock_guard lock(mutex_);
    log = log_;
  }
  tasks_.complete(tx, task_.id, lease_owner_, log);
  tx.after_commit([this] {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  });
}

TaskRunner::TaskRunner(Tasks& tasks, TaskRunnerOptions options)
    : tasks_(tasks), options_(options), lease_owner_(new_object_id()) {}

TaskRunner::~TaskRunner() {
  stop();
}

void TaskRunner::handle(std::string kind, TaskHandler handler) {
  HEARTH_ASSERT(threads_.empty(), "handlers are named before the runner starts");
  kinds_.push_back(kind);
  handlers_.emplace(std::move(kind), std::move(handler));
}

void TaskRunner::start() {
  for (int i = 0; i < options_.thread_count; ++i) {
    threads_.emplace_back([this] { work(); });
  }
  renewer_ = std::thread([this] { renew_leases(); });
}

void TaskRunner::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& context : running_) {
      const std::lock_guard context_lock(context->mutex_);
      context->stopping_ = true;
    }
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) {
    tasks_.wake();
    thread.join();
  }
  threads_.clear();
  if (renewer_.joinable()) renewer_.join();
}

bool TaskRunner::run_one() {
  auto task = tasks_.claim(kinds_, lease_owner_, options_.lease_ms);
  if (!task) return false;
  run(std::move(*task));
  return true;
}

void TaskRunner::work() {
  const auto stopping = [this] {
    const std::lock_guard lock(mutex_);
    return stopping_;
  };
  while (!stopping()) {
    try {
      if (run_one()) continue;
    } catch (const std::exception& error) {
      log_error("Tasks cannot be claimed or ended: {}", error.what());
    }
    if (!stopping()) tasks_.wait_for_work(options_.poll_ms);
  }
}

void TaskRunner::run(Task task) {
  const auto context = std::make_shared<TaskContext>(tasks_, std::move(task), lease_owner_);
  const Task& claimed = context->task();
  const LogScope log_scope(claimed.id);
  {
    const std::lock_guard lock(mutex_);
    running_.insert(context);
    const std::lock_guard context_lock(context->mutex_);
    context->stopping_ = stopping_;
  }
  std::optional<Tasks::Failure> failure;
  try {
    handlers_.at(claimed.kind)(*context);
  } catch (const Error& error) {
    failure = {.message = error.message(), .permanent = is_permanent(error.kind()), .log = {}};
    log_warning("The task {} {} failed at attempt {}: {}", claimed.kind, claimed.id,
                claimed.attempts, error.what());
  } catch (const std::exception& error) {
    failure = {.message = "The server made a mistake.", .permanent = false, .log = {}};
    log_error("The task {} {} failed at attempt {}: {}", claimed.kind, claimed.id, claimed.attempts,
              error.what());
  }
  {
    const std::lock_guard lock(mutex_);
    running_.erase(context);
  }
  end(*context, failure);
}

void TaskRunner::end(TaskContext& context, std::optional<Tasks::Failure> failure) {
  const std::lock_guard beat_lock(context.beat_mutex_);  // The last heartbeat is over.
  const std::string& id = context.task().id;
  std::optional<json::object> progress;
  std::string log;
  bool stopping = false;
  {
    const std::lock_guard lock(context.mutex_);
    if (context.finished_ || context.lost_) return;
    progress = std::move(context.progress_);
    log = std::move(context.log_);
    stopping = context.stopping_;
  }
  if (stopping) {
    // Whether a handler that was asked to leave had come to its end cannot be told.
    tasks_.release(id, lease_owner_);
  } else if (failure) {
    failure->log = std::move(log);
    tasks_.fail(id, lease_owner_, *failure);
  } else {
    if (progress && !tasks_.heartbeat(id, lease_owner_, progress, {})) return;
    tasks_.database().write([&](db::Tx& tx) { tasks_.complete(tx, id, lease_owner_, log); });
  }
}

void TaskRunner::renew_leases() {
  // Four chances before a lease runs out.
  const auto every = std::chrono::milliseconds(std::max<int64_t>(options_.lease_ms / 4, 10));
  std::unique_lock lock(mutex_);
  while (!(stopping_ && running_.empty())) {
    changed_.wait_for(lock, every);
    const auto contexts = running_;
    lock.unlock();
    for (const auto& context : contexts) renew(*context);
    lock.lock();
  }
}

void TaskRunner::renew(TaskContext& context) {
  const std::lock_guard beat_lock(context.beat_mutex_);
  std::optional<json::object> progress;
  std::string log;
  {
    const std::lock_guard lock(context.mutex_);
    if (context.lost_ || context.finished_) return;
    progress = std::exchange(context.progress_, std::nullopt);
    log = std::exchange(context.log_, {});
  }
  try {
    const bool leased =
        tasks_.heartbeat(context.task().id, lease_owner_, progress, log, options_.lease_ms);
    const std::lock_guard lock(context.mutex_);
    if (!leased) context.lost_ = true;
  } catch (const std::exception& error) {
    log_warning("The lease of the task {} could not be renewed: {}", context.task().id,
                error.what());
    const std::lock_guard lock(context.mutex_);
    if (!context.progress_) context.progress_ = std::move(progress);
    context.log_.insert(0, log);
  }
}

}  // namespace hearth::hub
