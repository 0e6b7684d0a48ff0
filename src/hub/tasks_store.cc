#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "hub/tasks.h"

namespace hearth::hub {
namespace {

constexpr int64_t kBackOffMs = 1'000;
constexpr int64_t kBackOffMsMax = 10 * 60 * 1000;
constexpr size_t kErrorBytesMax = 2'000;

constexpr std::string_view kColumns =
    "SELECT id, kind, payload, state, owner_id, lease_owner, lease_until_ms, attempts,"
    " attempts_max, run_after_ms, cancel_wanted, progress, log, error, created_ms, started_ms,"
    " ended_ms FROM task ";

std::optional<TaskState> parse_state(std::string_view text) {
  for (const TaskState state : {TaskState::kQueued, TaskState::kRunning, TaskState::kDone,
                                TaskState::kFailed, TaskState::kCancelled}) {
    if (text == to_string(state)) return state;
  }
  return std::nullopt;
}

json::object object_of(const std::string& text) {
  auto value = parse_json(text);
  return value && value->is_object() ? std::move(value->as_object()) : json::object();
}

Task task_of(const db::Row& row) {
  return {.id = row.get_text(0),
          .kind = row.get_text(1),
          .payload = object_of(row.get_text(2)),
          .state = parse_state(row.get_text(3)).value_or(TaskState::kFailed),
          .owner_id = row.get_optional_text(4),
          .lease_owner = row.get_optional_text(5),
          .lease_until_ms = row.get_optional_int(6),
          .attempts = row.get_int(7),
          .attempts_max = row.get_int(8),
          .run_after_ms = row.get_int(9),
          .cancel_wanted = row.get_bool(10),
          .progress = object_of(row.get_text(11)),
          .log = row.get_text(12),
          .error = row.get_optional_text(13),
          .created_ms = row.get_int(14),
          .started_ms = row.get_optional_int(15),
          .ended_ms = row.get_optional_int(16)};
}

std::optional<Task> find_in(db::Tx& tx, std::string_view id) {
  static const std::string kSql = std::string(kColumns) + "WHERE id = ?1 {{for_update}}";
  const auto row = tx.query_one(kSql, {id});
  if (!row) return std::nullopt;
  return task_of(*row);
}

/// The task if it runs under this lease; nothing when the lease was lost.
std::optional<Task> find_leased(db::Tx& tx, std::string_view id, std::string_view lease_owner) {
  auto task = find_in(tx, id);
  if (!task || task->state != TaskState::kRunning || task->lease_owner != lease_owner) {
    return std::nullopt;
  }
  return task;
}

/// The last part of the log with `more` behind it, from the start of a line. What a handler logs
/// may hold anything: it is made fit to be stored.
std::string append_log(std::string log, std::string_view more) {
  if (more.empty()) return log;
  for (const char c : more) log += c == '\0' ? ' ' : c;
  if (!is_utf8(log)) {
    for (char& c : log) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
  }
  if (!log.ends_with('\n')) log += '\n';
  if (log.size() > kTaskLogBytesMax) {
    const size_t line = log.find('\n', log.size() - kTaskLogBytesMax);
    log.erase(0, line + 1);
  }
  return log;
}

void end_task(db::Tx& tx, const Task& task, TaskState state,
              const std::optional<std::string>& error, const std::string& log, int64_t now_ms) {
  constexpr std::string_view kSql =
      "UPDATE task SET state = ?2, error = ?3, log = ?4, ended_ms = ?5, lease_owner = NULL,"
      " lease_until_ms = NULL WHERE id = ?1";
  tx.execute(kSql, {task.id, to_string(state), error, log, now_ms});
}

}  // namespace

std::string_view to_string(TaskState state) {
  switch (state) {
    case TaskState::kQueued:
      return "queued";
    case TaskState::kRunning:
      return "running";
    case TaskState::kDone:
      return "done";
    case TaskState::kFailed:
      return "failed";
    case TaskState::kCancelled:
      return "cancelled";
  }
  return "failed";
}

int64_t task_back_off_ms(int64_t attempts) {
  int64_t wait_ms = kBackOffMs;
  for (int64_t i = 1; i < attempts && wait_ms < kBackOffMsMax; ++i) wait_ms *= 4;
  return std::min(wait_ms, kBackOffMsMax);
}

std::string Tasks::enqueue(db::Tx& tx, const NewTask& task) {
  constexpr std::string_view kSql =
      "INSERT INTO task (id, kind, payload, unique_key, state, owner_id, attempts, attempts_max,"
      " run_after_ms, cancel_wanted, progress, log, created_ms)"
      " VALUES (?1, ?2, ?3, ?4, 'queued', ?5, 0, ?6, ?7, 0, '{}', '', ?8)"
      " ON CONFLICT (kind, unique_key) WHERE state = 'queued' DO NOTHING";
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? db::Value() : db::Value(text);
  };
  const std::string id = new_object_id();
  const int64_t now_ms = clock_.now_ms();
  const int64_t added_count = tx.execute(
      kSql, {id, task.kind, json::serialize(task.payload), text_or_null(task.unique_key),
             text_or_null(task.owner_id), task.attempts_max, now_ms + task.delay_ms, now_ms});
  if (added_count == 0) return {};
  tx.after_commit([this] { wake(); });
  return id;
}

std::optional<Task> Tasks::claim(const std::vector<std::string>& kinds,
                                 std::string_view lease_owner, int64_t lease_ms) {
  // A lease that ran out goes first: its work is half done.
  static const std::string kExpired =
      std::string(kColumns) +
      "WHERE state = 'running' AND lease_until_ms <= ?1 AND kind IN {{list ?2}}"
      " ORDER BY lease_until_ms LIMIT 1 {{skip_locked}}";
  static const std::string kQueued =
      std::string(kColumns) +
      "WHERE state = 'queued' AND run_after_ms <= ?1 AND kind IN {{list ?2}}"
      " ORDER BY run_after_ms, id LIMIT 1 {{skip_locked}}";
  // The key is given up: a task that is added from now on is another one.
  constexpr std::string_view kClaim =
      "UPDATE task SET state = 'running', lease_owner = ?2, lease_until_ms = ?3,"
      " attempts = attempts + 1, started_ms = ?4, unique_key = NULL WHERE id = ?1";
  if (kinds.empty()) return std::nullopt;
  const db::Value list = db::in_list(kinds);
  // Asked without a lock first: nearly always there is nothing to do, and then nothing is written.
  const bool any = database_.read([&](db::Tx& tx) {
    static const std::string kAnyExpired = replace_all(kExpired, "{{skip_locked}}", "");
    static const std::string kAnyQueued = replace_all(kQueued, "{{skip_locked}}", "");
    const int64_t now_ms = clock_.now_ms();
    return tx.query_one(kAnyExpired, {now_ms, list}) || tx.query_one(kAnyQueued, {now_ms, list});
  });
  if (!any) return std::nullopt;
  return database_.write([&](db::Tx& tx) -> std::optional<Task> {
    const int64_t now_ms = clock_.now_ms();
    while (true) {
      auto row = tx.query_one(kExpired, {now_ms, list});
      if (!row) row = tx.query_one(kQueued, {now_ms, list});
      if (!row) return std::nullopt;
      Task task = task_of(*row);
      if (task.cancel_wanted) {
        end_task(tx, task, TaskState::kCancelled, std::nullopt, task.log, now_ms);
        continue;
      }
      if (task.state == TaskState::kRunning && task.attempts >= task.attempts_max) {
        // It took its worker down each time.
        end_task(tx, task, TaskState::kFailed, "The worker died each time it was tried.", task.log,
                 now_ms);
        continue;
      }
      task.state = TaskState::kRunning;
      task.attempts += 1;
      task.lease_owner = std::string(lease_owner);
      task.lease_until_ms = now_ms + lease_ms;
      task.started_ms = now_ms;
      tx.execute(kClaim, {task.id, lease_owner, *task.lease_until_ms, now_ms});
      return task;
    }
  });
}

bool Tasks::heartbeat(std::string_view id, std::string_view lease_owner,
                      const std::optional<json::object>& progress, std::string_view log,
                      int64_t lease_ms) {
  constexpr std::string_view kSql =
      "UPDATE task SET lease_until_ms = ?2, progress = ?3, log = ?4 WHERE id = ?1";
  return database_.write([&](db::Tx& tx) {
    const auto task = find_leased(tx, id, lease_owner);
    if (!task) return false;
    const int64_t now_ms = clock_.now_ms();
    if (task->cancel_wanted) {
      end_task(tx, *task, TaskState::kCancelled, std::nullopt, append_log(task->log, log), now_ms);
      return false;
    }
    tx.execute(kSql, {id, now_ms + lease_ms, json::serialize(progress ? *progress : task->progress),
                      append_log(task->log, log)});
    return true;
  });
}

void Tasks::complete(db::Tx& tx, std::string_view id, std::string_view lease_owner,
                     std::string_view log) {
  const auto task = find_leased(tx, id, lease_owner);
  if (!task) {
    throw Error(ErrorKind::kConflict, "The task was cancelled, or another worker has it.");
  }
  end_task(tx, *task, TaskState::kDone, std::nullopt, append_log(task->log, log), clock_.now_ms());
}

void Tasks::fail(std::string_view id, std::string_view lease_owner, const Failure& failure) {
  constexpr std::string_view kAgain =
      "UPDATE task SET state = 'queued', error = ?2, log = ?3, run_after_ms = ?4,"
      " lease_owner = NULL, lease_until_ms = NULL WHERE id = ?1";
  const std::string message(cut_utf8(failure.message, kErrorBytesMax));
  const std::string error = is_utf8(message) ? message : "It failed.";
  database_.write([&](db::Tx& tx) {
    const auto task = find_leased(tx, id, lease_owner);
    if (!task) return;
    const int64_t now_ms = clock_.now_ms();
    const std::string log = append_log(task->log, failure.log);
    if (task->cancel_wanted) {
      end_task(tx, *task, TaskState::kCancelled, error, log, now_ms);
    } else if (failure.permanent || task->attempts >= task->attempts_max) {
      end_task(tx, *task, TaskState::kFailed, error, log, now_ms);
    } else {
      tx.execute(kAgain, {id, error, log, now_ms + task_back_off_ms(task->attempts)});
    }
  });
}

void Tasks::release(std::string_view id, std::string_view lease_owner) {
  constexpr std::string_view kSql =
      "UPDATE task SET state = 'queued', attempts = attempts - 1, lease_owner = NULL,"
      " lease_until_ms = NULL WHERE id = ?1";
  database_.write([&](db::Tx& tx) {
    if (find_leased(tx, id, lease_owner)) tx.execute(kSql, {id});
  });
}

int64_t Tasks::expire_leases() {
  constexpr std::string_view kSql =
      "UPDATE task SET lease_until_ms = ?1 WHERE state = 'running' AND lease_until_ms > ?1";
  return database_.write([&](db::Tx& tx) { return tx.execute(kSql, {clock_.now_ms()}); });
}

bool Tasks::cancel(std::string_view id) {
  constexpr std::string_view kWant = "UPDATE task SET cancel_wanted = 1 WHERE id = ?1";
  return database_.write([&](db::Tx& tx) {
    const auto task = find_in(tx, id);
    if (!task) return false;
    if (task->state == TaskState::kQueued) {
      end_task(tx, *task, TaskState::kCancelled, std::nullopt, task->log, clock_.now_ms());
      return true;
    }
    if (task->state != TaskState::kRunning) return false;
    tx.execute(kWant, {id});
    return true;
  });
}

std::optional<Task> Tasks::find(std::string_view id) {
  static const std::string kSql = std::string(kColumns) + "WHERE id = ?1";
  return database_.read([&](db::Tx& tx) -> std::optional<Task> {
    const auto row = tx.query_one(kSql, {id});
    if (!row) return std::nullopt;
    return task_of(*row);
  });
}

std::vector<Task> Tasks::list(const TaskFilter& filter) {
  std::string sql(kColumns);
  db::Params params;
  const auto add = [&](std::string_view column, std::string_view value) {
    params.emplace_back(value);
    sql += std::string(params.size() == 1 ? "WHERE " : " AND ") + std::string(column) + " = ?" +
           std::to_string(params.size());
  };
  if (filter.state) add("state", to_string(*filter.state));
  if (filter.kind) add("kind", *filter.kind);
  if (filter.owner_id) add("owner_id", *filter.owner_id);
  params.emplace_back(filter.limit);
  sql += " ORDER BY created_ms DESC, id DESC LIMIT ?" + std::to_string(params.size());
  std::vector<Task> tasks;
  const db::Rows rows = database_.read([&](db::Tx& tx) { return tx.query(sql, params); });
  for (const db::Row& row : rows) tasks.push_back(task_of(row));
  return tasks;
}

std::vector<Tasks::Count> Tasks::counts() {
  constexpr std::string_view kSql =
      "SELECT kind, state, COUNT(*), MIN(run_after_ms) FROM task"
      " WHERE state IN ('queued', 'running', 'failed') GROUP BY kind, state";
  return database_.read([&](db::Tx& tx) {
    std::vector<Count> counts;
    for (const db::Row& row : tx.query(kSql)) {
      counts.push_back({.kind = row.get_text(0),
                        .state = parse_state(row.get_text(1)).value_or(TaskState::kFailed),
                        .count = row.get_int(2),
                        .due_ms = row.get_int(3)});
    }
    return counts;
  });
}

int64_t Tasks::remove_ended_before(int64_t time_ms) {
  constexpr std::string_view kSql = "DELETE FROM task WHERE ended_ms < ?1";
  return database_.write([&](db::Tx& tx) { return tx.execute(kSql, {time_ms}); });
}

}  // namespace hearth::hub
