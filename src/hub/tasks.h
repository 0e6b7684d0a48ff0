#pragma once
// Long work and effects outside the database, as rows that survive a restart.
//
// A task is written in the transaction of its cause (an outbox): it exists if and only if the cause
// does. Workers, in this process or another, claim it under a lease that they renew; when a worker
// dies, the lease runs out and another one starts again. A task may therefore run MORE THAN ONCE:
// handlers are idempotent, or end with TaskContext::finish in the transaction of their effect.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "db/db.h"

namespace hearth::hub {

enum class TaskState { kQueued, kRunning, kDone, kFailed, kCancelled };

std::string_view to_string(TaskState state);

struct NewTask {
  std::string kind;  // "webhook.deliver": finds the handler
  json::object payload = {};
  /// While a task of this kind and key waits, another one is not added: the waiting one will see
  /// the newer state too. Empty: always added.
  std::string unique_key = {};
  std::string owner_id = {};  // The account it is done for; empty: the hub itself.
  int64_t delay_ms = 0;
  int64_t attempts_max = 8;  // With the back-off below, about half an hour.
};

struct Task {
  std::string id;
  std::string kind;
  json::object payload;
  TaskState state = TaskState::kQueued;
  std::optional<std::string> owner_id;
  std::optional<std::string> lease_owner;
  std::optional<int64_t> lease_until_ms;
  int64_t attempts = 0;  // Begun, with the running one.
  int64_t attempts_max = 0;
  int64_t run_after_ms = 0;
  bool cancel_wanted = false;
  json::object progress;
  std::string log;
  std::optional<std::string> error;
  int64_t created_ms = 0;
  std::optional<int64_t> started_ms;
  std::optional<int64_t> ended_ms;
};

struct TaskFilter {
  std::optional<TaskState> state = {};
  std::optional<std::string> kind = {};
  std::optional<std::string> owner_id = {};
  int64_t limit = 100;
};

inline constexpr int64_t kTaskLeaseMs = 60'000;
inline constexpr size_t kTaskLogBytesMax = 64 * 1024;  // Of a longer log the last part is kept.

/// How long a task waits after its n-th failure: 1 s, 4 s, 16 s, … at most 10 minutes.
int64_t task_back_off_ms(int64_t attempts);

/// The table of tasks. Safe from any thread and process.
class Tasks {
 public:
  Tasks(db::Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  /// Adds a task in the caller's transaction, and wakes this process's runner after the commit.
  /// Returns its id; empty when one with the same unique_key waits already.
  std::string enqueue(db::Tx& tx, const NewTask& task);

  /// Takes the task of one of these kinds that has waited longest, or one whose lease ran out.
  /// Two processes never get the same one.
  std::optional<Task> claim(const std::vector<std::string>& kinds, std::string_view lease_owner,
                            int64_t lease_ms = kTaskLeaseMs);

  /// Renews the lease and notes progress. False: the task was cancelled or is another worker's by
  /// now; stop without effects.
  bool heartbeat(std::string_view id, std::string_view lease_owner,
                 const std::optional<json::object>& progress, std::string_view log,
                 int64_t lease_ms = kTaskLeaseMs);

  /// Ends a task as done, in the caller's transaction. Throws Error{kConflict} when the lease was
  /// lost: the transaction must then leave no effect either.
  void complete(db::Tx& tx, std::string_view id, std::string_view lease_owner,
                std::string_view log = {});

  /// Notes a failure: the task is tried again later, or has failed for good when `permanent` or
  /// when its attempts are used up. Nothing happens when the lease was lost.
  struct Failure {
    std::string message;
    bool permanent = false;
    std::string log = {};
  };
  void fail(std::string_view id, std::string_view lease_owner, const Failure& failure);

  /// Gives a claimed task back as if it had not been begun: the process stops.
  void release(std::string_view id, std::string_view lease_owner);

  /// Lets every lease run out now: the caller knows that no other process works on these tasks (it
  /// holds the lock of the data folder), so that what a killed one had begun starts again at once
  /// and not after kTaskLeaseMs. Returns how many there were.
  int64_t expire_leases();

  /// A waiting task ends at once; a running one at its next heartbeat. False: it had ended, or
  /// there is none of that id.
  bool cancel(std::string_view id);

  std::optional<Task> find(std::string_view id);
  /// The newest first.
  std::vector<Task> list(const TaskFilter& filter = {});
  struct Count {
    std::string kind;
    TaskState state = TaskState::kQueued;
    int64_t count = 0;
    int64_t due_ms = 0;  // When the one that has waited longest could have begun.
  };
  /// Those that wait, run, or have failed.
  std::vector<Count> counts();
  /// Deletes tasks that ended before `time_ms`; returns how many.
  int64_t remove_ended_before(int64_t time_ms);

  const Clock& clock() const { return clock_; }
  db::Database& database() { return database_; }

  /// Waits until something was enqueued in this process, at most `wait_ms`.
  void wait_for_work(int64_t wait_ms);
  /// Ends all waits.
  void wake();

 private:
  db::Database& database_;
  const Clock& clock_;
  std::mutex wake_mutex_;
  std::condition_variable wake_;
  uint64_t wake_count_ = 0;
};

/// What a handler sees of its task.
class TaskContext {
 public:
  TaskContext(Tasks& tasks, Task task, std::string lease_owner);

  const Task& task() const { return task_; }
  const json::object& payload() const { return task_.payload; }

  /// Shown to the owner from the next heartbeat on.
  void set_progress(json::object progress);
  void log(std::string_view line);
  /// True when the task was cancelled, its lease lost, or the process stops: leave soon. Throwing
  /// or returning are both fine then.
  bool stopping() const;
  /// Ends the task in the transaction of its effect: exactly once.
  void finish(db::Tx& tx);

 private:
  friend class TaskRunner;

  Tasks& tasks_;
  const Task task_;
  const std::string lease_owner_;
  std::mutex beat_mutex_;  // Held while a heartbeat is under way; never inside a transaction.
  mutable std::mutex mutex_;
  std::optional<json::object> progress_;  // Not yet written.
  std::string log_;                       // Not yet written.
  bool stopping_ = false;
  bool lost_ = false;
  bool finished_ = false;
};

/// Throws what it likes: Error of kind kInvalid, kUnprocessable, kNotFound, kForbidden, kCorrupt or
/// kUnsupported ends the task for good, everything else is tried again later.
using TaskHandler = std::function<void(TaskContext&)>;

struct TaskRunnerOptions {
  int thread_count = 2;
  int64_t lease_ms = kTaskLeaseMs;
  int64_t poll_ms = 2'000;  // For tasks of other processes, and for delayed ones.
};

/// Threads that claim tasks and run the handlers of this process. A kind without a handler here is
/// left to other processes.
class TaskRunner {
 public:
  explicit TaskRunner(Tasks& tasks, TaskRunnerOptions options = {});
  /// Stops, and waits for the handlers.
  ~TaskRunner();

  /// Before start().
  void handle(std::string kind, TaskHandler handler);
  void start();
  /// Tells the handlers to stop, waits for them, and gives their tasks back.
  void stop();

  /// Claims and runs one task on this thread; false when none is due. For tests and the command
  /// line.
  bool run_one();

 private:
  void work();
  void renew_leases();
  void renew(TaskContext& context);
  void run(Task task);
  void end(TaskContext& context, std::optional<Tasks::Failure> failure);

  Tasks& tasks_;
  const TaskRunnerOptions options_;
  const std::string lease_owner_;
  std::map<std::string, TaskHandler> handlers_;
  std::vector<std::string> kinds_;
  std::vector<std::thread> threads_;
  std::thread renewer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::set<std::shared_ptr<TaskContext>> running_;  // Shared by the worker and the renewer.
};

}  // namespace hearth::hub
