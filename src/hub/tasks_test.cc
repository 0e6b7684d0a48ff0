#include "hub/tasks.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "base/text.h"
#include "db/test_database.h"

namespace hearth::hub {
namespace {

const std::vector<std::string> kWork = {"work"};

struct Fixture {
  explicit Fixture(db::TestDatabase& test_database)
      : database(test_database), tasks(*test_database, clock) {}

  std::string add(const NewTask& task = {.kind = "work"}) {
    return database->write([&](db::Tx& tx) { return tasks.enqueue(tx, task); });
  }
  TaskState state(const std::string& id) { return tasks.find(id)->state; }
  void complete(const std::string& id, std::string_view owner) {
    database->write([&](db::Tx& tx) { tasks.complete(tx, id, owner); });
  }

  db::TestDatabase& database;
  FakeClock clock;
  Tasks tasks;
};

void with_tasks(const std::function<void(Fixture&)>& test) {
  db::for_each_engine([&](db::TestDatabase& database) {
    SCOPED_TRACE(database->engine() == db::Engine::kSqlite ? "SQLite" : "PostgreSQL");
    Fixture fixture(database);
    test(fixture);
  });
}

/// Waits for what other threads do; false when it does not come.
bool wait_until(const std::function<bool()>& condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(Tasks, ATaskExistsOnlyIfItsCauseDoes) {
  with_tasks([](Fixture& f) {
    const auto cause = [&](db::Tx& tx) {
      f.tasks.enqueue(tx, {.kind = "work"});
      throw Error(ErrorKind::kConflict, "no");
    };
    EXPECT_THROW(f.database->write(cause), Error);
    EXPECT_TRUE(f.tasks.list().empty());
    EXPECT_FALSE(f.tasks.claim(kWork, "w"));
  });
}

TEST(Tasks, AClaimedTaskIsNobodyElses) {
  with_tasks([](Fixture& f) {
    const std::string id = f.add({.kind = "work", .payload = {{"n", 1}}, .owner_id = "0123"});
    EXPECT_FALSE(f.tasks.claim({"other"}, "w"));
    EXPECT_FALSE(f.tasks.claim({}, "w"));
    const auto task = f.tasks.claim(kWork, "w");
    ASSERT_TRUE(task);
    EXPECT_EQ(id, task->id);
    EXPECT_EQ(1, task->attempts);
    EXPECT_EQ(1, get_int(task->payload, "n"));
    EXPECT_EQ("0123", task->owner_id);
    EXPECT_FALSE(f.tasks.claim(kWork, "other"));
    f.complete(id, "w");
    EXPECT_EQ(TaskState::kDone, f.state(id));
    EXPECT_EQ(f.clock.now_ms(), f.tasks.find(id)->ended_ms);
  });
}

TEST(Tasks, TheOneThatHasWaitedLongestGoesFirst) {
  with_tasks([](Fixture& f) {
    const std::string late = f.add({.kind = "work", .delay_ms = 1000});
    const std::string early = f.add();
    EXPECT_EQ(early, f.tasks.claim(kWork, "w")->id);
    EXPECT_FALSE(f.tasks.claim(kWork, "w"));
    f.clock.advance_ms(999);
    EXPECT_FALSE(f.tasks.claim(kWork, "w"));
    f.clock.advance_ms(1);
    EXPECT_EQ(late, f.tasks.claim(kWork, "w")->id);
  });
}

TEST(Tasks, OneTaskOfAKeyWaitsAtATime) {
  with_tasks([](Fixture& f) {
    const NewTask task{.kind = "work", .unique_key = "repo-1"};
    EXPECT_NE("", f.add(task));
    EXPECT_EQ("", f.add(task));
    EXPECT_NE("", f.add({.kind = "other", .unique_key = "repo-1"}));
    const auto running = f.tasks.claim(kWork, "w");
    // What changes from now on, the running one may not have seen.
    EXPECT_NE("", f.add(task));
    f.tasks.fail(running->id, "w", {.message = "later"});
    EXPECT_EQ(TaskState::kQueued, f.state(running->id));
  });
}

TEST(Tasks, ALeaseThatRanOutIsTakenOver) {
  with_tasks([](Fixture& f) {
    const std::string id = f.add();
    f.tasks.claim(kWork, "first", 1000);
    f.clock.advance_ms(999);
    EXPECT_FALSE(f.tasks.claim(kWork, "second", 1000));
    EXPECT_TRUE(f.tasks.heartbeat(id, "first", {{{"done", 1}}}, "half", 1000));
    f.clock.advance_ms(1000);
    const auto again = f.tasks.claim(kWork, "second", 1000);
    ASSERT_TRUE(again);
    EXPECT_EQ(2, again->attempts);
    EXPECT_EQ("half\n", again->log);
    EXPECT_EQ(1, get_int(again->progress, "done"));
    // The first worker comes back: nothing it does counts.
    EXPECT_FALSE(f.tasks.heartbeat(id, "first", std::nullopt, ""));
    f.tasks.fail(id, "first", {.message = "late"});
    f.tasks.release(id, "first");
    EXPECT_THROW(f.complete(id, "first"), Error);
    EXPECT_EQ(TaskState::kRunning, f.state(id));
    f.complete(id, "second");
  });
}

TEST(Tasks, AfterARestartNothingWaitsForTheLeaseOfAKilledProcess) {
  with_tasks([](Fixture& f) {
    f.add();
    ASSERT_TRUE(f.tasks.claim(kWork, "killed"));
    EXPECT_FALSE(f.tasks.claim(kWork, "restarted"));
    EXPECT_EQ(1, f.tasks.expire_leases());
    const auto again = f.tasks.claim(kWork, "restarted");
    ASSERT_TRUE(again);
    EXPECT_EQ(2, again->attempts);
  });
}

TEST(Tasks, AFailureIsTriedAgainLaterAndAtLastForGood) {
  with_tasks([](Fixture& f) {
    const std::string id = f.add({.kind = "work", .attempts_max = 3});
    for (const int64_t wait_ms : {1'000, 4'000}) {
      ASSERT_TRUE(f.tasks.claim(kWork, "w"));
      f.tasks.fail(id, "w", {.message = "disk full", .log = "tried"});
      EXPECT_EQ(TaskState::kQueued, f.state(id));
      f.clock.advance_ms(wait_ms - 1);
      EXPECT_FALSE(f.tasks.claim(kWork, "w"));
      f.clock.advance_ms(1);
    }
    ASSERT_TRUE(f.tasks.claim(kWork, "w"));
    f.tasks.fail(id, "w", {.message = "disk full"});
    EXPECT_EQ(TaskState::kFailed, f.state(id));
    EXPECT_EQ("disk full", f.tasks.find(id)->error);
    EXPECT_EQ("tried\ntried\n", f.tasks.find(id)->log);
    EXPECT_EQ(10 * 60 * 1000, task_back_off_ms(30));
  });
}

TEST(Tasks, ATaskThatKillsItsWorkersFails) {
  with_tasks([](Fixture& f) {
    const std::string id = f.add({.kind = "work", .attempts_max = 2});
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(f.tasks.claim(kWork, "w", 1000));
      f.clock.advance_ms(1000);
    }
    EXPECT_FALSE(f.tasks.claim(kWork, "w"));
    EXPECT_EQ(TaskState::kFailed, f.state(id));
  });
}

TEST(Tasks, CancellingEndsAWaitingTaskAtOnceAndARunningOneAtItsHeartbeat) {
  with_tasks([](Fixture& f) {
    const std::string waiting = f.add();
    EXPECT_TRUE(f.tasks.cancel(waiting));
    EXPECT_EQ(TaskState::kCancelled, f.state(waiting));
    EXPECT_FALSE(f.tasks.cancel(waiting));
    EXPECT_FALSE(f.tasks.cancel("nothing"));

    const std::string running = f.add();
    f.tasks.claim(kWork, "w");
    EXPECT_TRUE(f.tasks.cancel(running));
    EXPECT_EQ(TaskState::kRunning, f.state(running));
    EXPECT_FALSE(f.tasks.heartbeat(running, "w", std::nullopt, ""));
    EXPECT_EQ(TaskState::kCancelled, f.state(running));

    // Its worker is dead: nobody starts it again.
    const std::string orphan = f.add();
    f.tasks.claim(kWork, "w", 1000);
    f.tasks.cancel(orphan);
    f.clock.advance_ms(1000);
    EXPECT_FALSE(f.tasks.claim(kWork, "w"));
    EXPECT_EQ(TaskState::kCancelled, f.state(orphan));
  });
}

TEST(Tasks, OfALongLogTheLastPartIsKept) {
  with_tasks([](Fixture& f) {
    const std::string id = f.add();
    f.tasks.claim(kWork, "w");
    for (int i = 0; i < 3; ++i) {
      const std::string line = std::to_string(i) + std::string(kTaskLogBytesMax / 2, 'x');
      EXPECT_TRUE(f.tasks.heartbeat(id, "w", std::nullopt, line));
    }
    EXPECT_TRUE(f.tasks.heartbeat(id, "w", std::nullopt, std::string("\xff\0end", 5)));
    const std::string log = f.tasks.find(id)->log;
    EXPECT_LE(log.size(), kTaskLogBytesMax);
    EXPECT_EQ('2', log.front());
    EXPECT_TRUE(log.ends_with("\n? end\n"));
  });
}

TEST(Tasks, ListsAreFilteredAndOldOnesGo) {
  with_tasks([](Fixture& f) {
    const std::string done = f.add({.kind = "work", .owner_id = "0123"});
    f.tasks.claim(kWork, "w");
    f.complete(done, "w");
    f.clock.advance_ms(10);
    f.add({.kind = "other", .owner_id = "0123"});
    f.add({.kind = "other"});
    EXPECT_EQ(3u, f.tasks.list().size());
    EXPECT_EQ(2u, f.tasks.list({.kind = "other"}).size());
    EXPECT_EQ(1u, f.tasks.list({.state = TaskState::kQueued, .owner_id = "0123"}).size());
    EXPECT_EQ(1u, f.tasks.list({.limit = 1}).size());
    EXPECT_EQ(0, f.tasks.remove_ended_before(f.clock.now_ms() - 10));
    EXPECT_EQ(1, f.tasks.remove_ended_before(f.clock.now_ms()));
    EXPECT_FALSE(f.tasks.find(done));
  });
}

TEST(Tasks, FourProcessesRunEachTaskOnce) {
  with_tasks([](Fixture& f) {
    constexpr int kTasks = 40;
    for (int i = 0; i < kTasks; ++i) f.add();
    std::mutex mutex;
    std::map<std::string, int> run_counts;
    std::vector<std::thread> processes;
    for (int p = 0; p < 4; ++p) {
      processes.emplace_back([&, p] {
        const auto database = f.database.open_again();
        Tasks tasks(*database, f.clock);
        const std::string name = "process " + std::to_string(p);
        while (const auto task = tasks.claim(kWork, name)) {
          database->write([&](db::Tx& tx) { tasks.complete(tx, task->id, name); });
          const std::lock_guard lock(mutex);
          ++run_counts[task->id];
        }
      });
    }
    for (std::thread& process : processes) process.join();
    EXPECT_EQ(static_cast<size_t>(kTasks), run_counts.size());
    for (const auto& [id, run_count] : run_counts) EXPECT_EQ(1, run_count) << id;
  });
}

TEST(TaskRunner, HandlersRunByKindAndFailuresAreNoted) {
  with_tasks([](Fixture& f) {
    const std::string good = f.add({.kind = "good"});
    const std::string bad = f.add({.kind = "bad"});
    const std::string broken = f.add({.kind = "broken"});
    const std::string foreign = f.add({.kind = "foreign"});
    TaskRunner runner(f.tasks);
    runner.handle("good", [](TaskContext& context) {
      context.set_progress({{"percent", 100}});
      context.log("all well");
    });
    runner.handle("bad", [](TaskContext&) { throw Error(ErrorKind::kInvalid, "Never."); });
    runner.handle("broken", [](TaskContext&) { throw std::runtime_error("secret"); });
    while (runner.run_one()) {
    }
    EXPECT_EQ(TaskState::kDone, f.state(good));
    EXPECT_EQ("all well\n", f.tasks.find(good)->log);
    EXPECT_EQ(100, get_int(f.tasks.find(good)->progress, "percent"));
    EXPECT_EQ(TaskState::kFailed, f.state(bad));
    EXPECT_EQ("Never.", f.tasks.find(bad)->error);
    EXPECT_EQ(TaskState::kQueued, f.state(broken));
    EXPECT_EQ("The server made a mistake.", f.tasks.find(broken)->error);
    EXPECT_EQ(TaskState::kQueued, f.state(foreign));
  });
}

TEST(TaskRunner, FinishEndsTheTaskWithItsEffect) {
  with_tasks([](Fixture& f) {
    const std::string id = f.add();
    TaskRunner runner(f.tasks);
    runner.handle("work", [&](TaskContext& context) {
      context.log("effect");
      f.database->write([&](db::Tx& tx) {
        f.tasks.enqueue(tx, {.kind = "next"});
        context.finish(tx);
      });
      throw std::runtime_error("after the end");  // Too late to matter.
    });
    EXPECT_TRUE(runner.run_one());
    EXPECT_EQ(TaskState::kDone, f.state(id));
    EXPECT_EQ("effect\n", f.tasks.find(id)->log);
    EXPECT_EQ(1u, f.tasks.list({.kind = "next"}).size());
  });
}

TEST(TaskRunner, ThreadsWakeForNewTasksAndStopGivesThemBack) {
  with_tasks([](Fixture& f) {
    std::atomic<int> done_count = 0;
    std::atomic<bool> held = false;
    const auto runner = std::make_unique<TaskRunner>(
        f.tasks, TaskRunnerOptions{.thread_count = 2, .poll_ms = 60'000});
    runner->handle("work", [&](TaskContext&) { ++done_count; });
    runner->handle("hold", [&](TaskContext& context) {
      held = true;
      while (!context.stopping()) std::this_thread::yield();
    });
    runner->start();
    for (int i = 0; i < 5; ++i) f.add();
    EXPECT_TRUE(wait_until([&] { return done_count == 5; }));
    const std::string hold = f.add({.kind = "hold"});
    EXPECT_TRUE(wait_until([&] { return held.load(); }));
    runner->stop();
    const auto task = f.tasks.find(hold);
    EXPECT_EQ(TaskState::kQueued, task->state);
    EXPECT_EQ(0, task->attempts);
  });
}

TEST(TaskRunner, ACancelledHandlerLearnsItAndItsLeaseIsRenewed) {
  with_tasks([](Fixture& f) {
    std::atomic<bool> left = false;
    TaskRunner runner(f.tasks, {.thread_count = 1, .lease_ms = 40});
    runner.handle("work", [&](TaskContext& context) {
      context.log("begun");
      while (!context.stopping()) std::this_thread::yield();
      left = true;
    });
    runner.start();
    const std::string id = f.add();
    EXPECT_TRUE(wait_until([&] { return f.tasks.find(id)->log == "begun\n"; }));
    f.clock.advance_ms(30);
    const int64_t renewed_ms = f.clock.now_ms() + 40;
    EXPECT_TRUE(wait_until([&] { return f.tasks.find(id)->lease_until_ms == renewed_ms; }));
    EXPECT_FALSE(left);
    EXPECT_TRUE(f.tasks.cancel(id));
    EXPECT_TRUE(wait_until([&] { return left.load(); }));
    EXPECT_EQ(TaskState::kCancelled, f.state(id));
  });
}

}  // namespace
}  // namespace hearth::hub
