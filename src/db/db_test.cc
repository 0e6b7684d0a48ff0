#include "db/db.h"

#include <csignal>
#include <functional>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error_of.h"
#include "base/fs.h"
#include "base/process.h"
#include "base/text.h"
#include "db/sql_text.h"
#include "db/test_database.h"

namespace hearth::db {
namespace {

const std::vector<Migration> kThings = {
    {1, "things",
     "CREATE TABLE thing (id TEXT PRIMARY KEY, number {{bigint}}, data {{bytes}}, "
     "  owner TEXT REFERENCES thing (id)) {{strict}};"
     "CREATE TABLE log (seq {{serial_key}}, line TEXT NOT NULL) {{strict}};"}};

constexpr std::string_view kInsert =
    "INSERT INTO thing (id, number, data, owner)"
    " VALUES (?1, ?2, ?3, ?4)";

/// Runs `test` on each engine with the two tables above.
void with_things(const std::function<void(TestDatabase&)>& test) {
  for (const Engine engine : test_engines()) {
    SCOPED_TRACE(engine == Engine::kSqlite ? "SQLite" : "PostgreSQL");
    TestDatabase database(engine, TestDatabase::Schema::kEmpty);
    database->migrate_with(kThings, {});
    test(database);
  }
}

TEST(Db, ChangeNumberIsAnotherAfterEachChangeByAnybody) {
  with_things([](TestDatabase& db) {
    const auto first = db->change_number();
    if (db->engine() == Engine::kPostgres) {
      EXPECT_EQ(std::nullopt, first);
      return;
    }
    ASSERT_TRUE(first);
    db->read([](Tx& tx) { tx.query("SELECT id FROM thing"); });
    EXPECT_EQ(first, db->change_number());
    db->write([](Tx& tx) { tx.execute(kInsert, {"a", 1, Bytes{}, nullptr}); });
    const auto second = db->change_number();
    EXPECT_NE(first, second);
    // As another process does it.
    const auto other = db.open_again();
    other->write([](Tx& tx) { tx.execute(kInsert, {"b", 2, Bytes{}, nullptr}); });
    const auto third = db->change_number();
    EXPECT_NE(second, third);
    EXPECT_THROW(db->write([](Tx& tx) {
      tx.execute(kInsert, {"c", 2, Bytes{}, nullptr});
      throw Error(ErrorKind::kInvalid, "undone");
    }),
                 Error);
    EXPECT_EQ(third, db->change_number());
  });
}

TEST(Db, ValuesComeBackAsTheyWentIn) {
  with_things([](TestDatabase& db) {
    const Bytes data = {0, 1, 2, 255, 0};
    db->write([&](Tx& tx) {
      EXPECT_EQ(1, tx.execute(kInsert, {"a", INT64_MIN, data, nullptr}));
      EXPECT_EQ(1, tx.execute(kInsert, {"\xc3\xa9'\"\\", INT64_MAX, Bytes{}, "a"}));
      EXPECT_EQ(1, tx.execute(kInsert, {"", nullptr, nullptr, std::optional<std::string>()}));
    });
    const Rows rows = db->read(
        [](Tx& tx) { return tx.query("SELECT id, number, data, owner FROM thing ORDER BY id"); });
    ASSERT_EQ(3u, rows.size());
    EXPECT_EQ("", rows[0].get_text(0));
    EXPECT_TRUE(rows[0].is_null(1));
    EXPECT_EQ(std::nullopt, rows[0].get_optional_blob(2));
    EXPECT_EQ(INT64_MIN, rows[1].get_int(1));
    EXPECT_EQ(data, rows[1].get_blob(2));
    EXPECT_EQ(std::nullopt, rows[1].get_optional_text(3));
    EXPECT_EQ("\xc3\xa9'\"\\", rows[2].get_text(0));
    EXPECT_EQ(INT64_MAX, rows[2].get_int(1));
    EXPECT_EQ(Bytes{}, rows[2].get_blob(2));
    EXPECT_EQ("a", rows[2].get_optional_text(3));
  });
}

TEST(Db, ReadingAColumnAsAnotherTypeIsAnInternalError) {
  with_things([](TestDatabase& db) {
    db->read([](Tx& tx) {
      const auto row = tx.query_one("SELECT count(*) FROM thing");
      EXPECT_EQ(0, row->get_int(0));
      EXPECT_EQ(ErrorKind::kInternal, error_of([&] { row->get_text(0); }).kind());
      EXPECT_EQ(ErrorKind::kInternal, error_of([&] { row->get_int(1); }).kind());
    });
  });
}

TEST(Db, TextThatIsNotUtf8IsRefused) {
  with_things([](TestDatabase& db) {
    for (const std::string& text : {std::string("\xff"), std::string("a\0b", 3)}) {
      const auto insert = [&](Tx& tx) { tx.execute(kInsert, {text, 1, nullptr, nullptr}); };
      EXPECT_EQ(ErrorKind::kInvalid, error_of([&] { db->write(insert); }).kind());
    }
  });
}

TEST(Db, TextSortsByBytesAndLikeIsCaseSensitive) {
  with_things([](TestDatabase& db) {
    db->write([](Tx& tx) {
      for (const char* id : {"b", "B", "a-b", "aa", "\xc3\xa9", "a_"}) {
        tx.execute(kInsert, {id, 1, nullptr, nullptr});
      }
    });
    db->read([](Tx& tx) {
      std::string order;
      for (const Row& row : tx.query("SELECT id FROM thing ORDER BY id")) {
        order += row.get_text(0) + " ";
      }
      EXPECT_EQ("B a-b a_ aa b \xc3\xa9 ", order);
      EXPECT_EQ(1u, tx.query("SELECT id FROM thing WHERE id LIKE ?1", {"b%"}).size());
    });
  });
}

TEST(Db, SumsOfIntegersAreIntegers) {
  with_things([](TestDatabase& db) {
    db->write([](Tx& tx) {
      tx.execute(kInsert, {"a", int64_t{1} << 40, nullptr, nullptr});
      tx.execute(kInsert, {"b", 2, nullptr, nullptr});
    });
    db->read([](Tx& tx) {
      const auto row = tx.query_one("SELECT sum(number), max(number), count(*) FROM thing");
      EXPECT_EQ((int64_t{1} << 40) + 2, row->get_int(0));
      EXPECT_EQ(int64_t{1} << 40, row->get_int(1));
    });
  });
}

TEST(Db, ListsBecomeOneParameter) {
  with_things([](TestDatabase& db) {
    db->write([](Tx& tx) {
      for (int i = 0; i < 5; ++i) {
        tx.execute(kInsert, {"it's " + std::to_string(i), i, nullptr, nullptr});
      }
    });
    db->read([](Tx& tx) {
      EXPECT_EQ(2u, tx.query("SELECT id FROM thing WHERE id IN {{list ?1}}",
                             {in_list(std::vector<std::string>{"it's 1", "it's 3", "\""})})
                        .size());
      EXPECT_EQ(1u, tx.query("SELECT id FROM thing WHERE number IN {{int_list ?2}} AND id > ?1",
                             {"it's 1", in_list(std::vector<int64_t>{1, 4, 9})})
                        .size());
      EXPECT_TRUE(tx.query("SELECT id FROM thing WHERE id IN {{list ?1}}",
                           {in_list(std::vector<std::string>{})})
                      .empty());
    });
  });
}

TEST(Db, AThrowUndoesEverything) {
  with_things([](TestDatabase& db) {
    bool called = false;
    const auto write = [&](Tx& tx) {
      tx.execute(kInsert, {"a", 1, nullptr, nullptr});
      tx.after_commit([&called] { called = true; });
      throw Error(ErrorKind::kConflict, "no");
    };
    EXPECT_EQ("no", error_of([&] { db->write(write); }).message());
    EXPECT_FALSE(called);
    EXPECT_EQ(
        0, db->read([](Tx& tx) { return tx.query_one("SELECT count(*) FROM thing")->get_int(0); }));
  });
}

TEST(Db, HooksRunAfterTheCommitOutsideOfTheTransaction) {
  with_things([](TestDatabase& db) {
    int64_t seen = -1;
    db->write([&](Tx& tx) {
      tx.execute(kInsert, {"a", 1, nullptr, nullptr});
      tx.after_commit([&] {
        seen = db->read(
            [](Tx& inner) { return inner.query_one("SELECT count(*) FROM thing")->get_int(0); });
      });
    });
    EXPECT_EQ(1, seen);
  });
}

TEST(Db, DuplicateKeysAreKnownFromBrokenReferences) {
  with_things([](TestDatabase& db) {
    const auto insert = [&db](const char* id, Value owner) {
      return [&db, id, owner] {
        db->write([&](Tx& tx) { tx.execute(kInsert, {id, 1, nullptr, owner}); });
      };
    };
    insert("a", nullptr)();
    const Error duplicate = error_of(insert("a", nullptr));
    EXPECT_EQ(ErrorKind::kConflict, duplicate.kind());
    EXPECT_TRUE(is_unique_violation(duplicate));
    const Error dangling = error_of(insert("b", "nobody"));
    EXPECT_EQ(ErrorKind::kConflict, dangling.kind());
    EXPECT_FALSE(is_unique_violation(dangling));
  });
}

TEST(Db, AnOverlookedFailureDoesNotCommit) {
  with_things([](TestDatabase& db) {
    const auto write = [](Tx& tx) {
      tx.execute(kInsert, {"a", 1, nullptr, nullptr});
      try {
        tx.execute(kInsert, {"a", 1, nullptr, nullptr});
      } catch (const Error&) {
      }
    };
    EXPECT_EQ(ErrorKind::kInternal, error_of([&] { db->write(write); }).kind());
    EXPECT_EQ(
        0, db->read([](Tx& tx) { return tx.query_one("SELECT count(*) FROM thing")->get_int(0); }));
  });
}

TEST(Db, InsertsThatDoNothingCountZero) {
  with_things([](TestDatabase& db) {
    db->write([](Tx& tx) {
      const std::string sql = std::string(kInsert) + " ON CONFLICT (id) DO NOTHING";
      EXPECT_EQ(1, tx.execute(sql, {"a", 1, nullptr, nullptr}));
      EXPECT_EQ(0, tx.execute(sql, {"a", 1, nullptr, nullptr}));
      EXPECT_EQ(1, tx.execute("UPDATE thing SET number = ?1", {7}));
      EXPECT_EQ(0, tx.execute("DELETE FROM thing WHERE number = ?1", {8}));
    });
  });
}

TEST(Db, ReturningGivesTheGeneratedKey) {
  with_things([](TestDatabase& db) {
    db->write([](Tx& tx) {
      const std::string_view sql = "INSERT INTO log (line) VALUES (?1) RETURNING seq";
      const int64_t first = tx.query_one(sql, {"a"})->get_int(0);
      EXPECT_GT(tx.query_one(sql, {"b"})->get_int(0), first);
    });
  });
}

TEST(Db, ExecuteManyRunsOneStatementForEachSet) {
  with_things([](TestDatabase& db) {
    std::vector<Params> sets;
    for (int i = 0; i < 1000; ++i) {
      sets.push_back({std::to_string(i), i, i % 2 ? Value(Bytes(100, 7)) : Value(), nullptr});
    }
    EXPECT_EQ(1000, db->write([&](Tx& tx) { return tx.execute_many(kInsert, sets); }));
    const Error duplicate =
        error_of([&] { db->write([&](Tx& tx) { tx.execute_many(kInsert, sets); }); });
    EXPECT_TRUE(is_unique_violation(duplicate));
    EXPECT_EQ(500, db->read([](Tx& tx) {
      return tx.query_one("SELECT count(data) FROM thing")->get_int(0);
    }));
  });
}

TEST(Db, ForEachStopsWhenToldAndTheTransactionGoesOn) {
  with_things([](TestDatabase& db) {
    std::vector<Params> sets;
    for (int i = 0; i < 100; ++i) sets.push_back({std::to_string(i), i, nullptr, nullptr});
    db->write([&](Tx& tx) { tx.execute_many(kInsert, sets); });
    db->read([](Tx& tx) {
      int seen_count = 0;
      tx.for_each("SELECT id FROM thing", {}, [&](const Row&) { return ++seen_count < 3; });
      EXPECT_EQ(3, seen_count);
      EXPECT_EQ(100, tx.query_one("SELECT count(*) FROM thing")->get_int(0));
    });
  });
}

TEST(Db, AReadSeesOneSnapshot) {
  with_things([](TestDatabase& db) {
    const auto other = db.open_again();
    constexpr std::string_view kCount = "SELECT count(*) FROM thing";
    db->read([&](Tx& tx) {
      EXPECT_EQ(0, tx.query_one(kCount)->get_int(0));
      other->write([](Tx& inner) { inner.execute(kInsert, {"a", 1, nullptr, nullptr}); });
      EXPECT_EQ(0, tx.query_one(kCount)->get_int(0));
    });
    EXPECT_EQ(1, db->read([&](Tx& tx) { return tx.query_one(kCount)->get_int(0); }));
  });
}

TEST(Db, AReadMayNotWrite) {
  with_things([](TestDatabase& db) {
    EXPECT_THROW(db->read([](Tx& tx) { tx.execute(kInsert, {"a", 1, nullptr, nullptr}); }), Error);
    EXPECT_EQ(0, db->schema_version() - 1);
  });
}

TEST(Db, ATransactionInsideAnotherIsRefused) {
  with_things([](TestDatabase& db) {
    const auto nested = [&](Tx&) { db->read([](Tx&) {}); };
    EXPECT_EQ(ErrorKind::kInternal, error_of([&] { db->write(nested); }).kind());
    db->write([](Tx&) {});  // Nothing is left behind.
  });
}

TEST(Db, ConcurrentReadModifyWriteLosesNothing) {
  with_things([](TestDatabase& db) {
    constexpr int kThreads = 4;
    constexpr int kRounds = 25;
    db->write([](Tx& tx) { tx.execute(kInsert, {"a", 0, nullptr, nullptr}); });
    // Each thread has connections of its own, as four processes would.
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&db] {
        const auto mine = db.open_again();
        for (int i = 0; i < kRounds; ++i) {
          mine->write([](Tx& tx) {
            const int64_t number =
                tx.query_one("SELECT number FROM thing WHERE id = ?1 {{for_update}}", {"a"})
                    ->get_int(0);
            tx.execute("UPDATE thing SET number = ?1 WHERE id = ?2", {number + 1, "a"});
          });
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(kThreads * kRounds, db->read([](Tx& tx) {
      return tx.query_one("SELECT number FROM thing")->get_int(0);
    }));
  });
}

TEST(Db, WriteSkewIsPrevented) {
  // Two transactions that each read what the other writes: one of them must see the other's write.
  with_things([](TestDatabase& db) {
    db->write([](Tx& tx) {
      tx.execute(kInsert, {"a", 1, nullptr, nullptr});
      tx.execute(kInsert, {"b", 1, nullptr, nullptr});
    });
    const auto leave = [&db](const char* id) {
      const auto mine = db.open_again();
      mine->write([&](Tx& tx) {
        if (tx.query_one("SELECT sum(number) FROM thing")->get_int(0) > 1) {
          tx.execute("UPDATE thing SET number = 0 WHERE id = ?1", {id});
        }
      });
    };
    std::thread first(leave, "a");
    std::thread second(leave, "b");
    first.join();
    second.join();
    EXPECT_EQ(1, db->read([](Tx& tx) {
      return tx.query_one("SELECT sum(number) FROM thing")->get_int(0);
    }));
  });
}

/// Runs `body` in a child process, as `hearth user add` runs beside a server.
pid_t in_child(const std::function<void()>& body) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  try {
    body();
    _exit(0);
  } catch (...) {
    _exit(1);
  }
}

int exit_status(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(Db, ProcessesThatWriteAtOnceLoseNothing) {
  with_things([](TestDatabase& db) {
    constexpr int kProcesses = 3;
    constexpr int kRounds = 20;
    db->write([](Tx& tx) { tx.execute(kInsert, {"a", 0, nullptr, nullptr}); });
    std::vector<pid_t> pids;
    for (int p = 0; p < kProcesses; ++p) {
      pids.push_back(in_child([&db] {
        const auto mine = db.open_again();
        for (int i = 0; i < kRounds; ++i) {
          mine->write([](Tx& tx) {
            const int64_t number = tx.query_one("SELECT number FROM thing")->get_int(0);
            tx.execute("UPDATE thing SET number = ?1", {number + 1});
          });
        }
      }));
    }
    for (const pid_t pid : pids) EXPECT_EQ(0, exit_status(pid));
    EXPECT_EQ(kProcesses * kRounds, db->read([](Tx& tx) {
      return tx.query_one("SELECT number FROM thing")->get_int(0);
    }));
  });
}

TEST(Db, AKilledWriterLeavesWholeTransactions) {
  with_things([](TestDatabase& db) {
    const auto sum = [&db](const char* id) {
      return db->read([id](Tx& tx) {
        return tx.query_one("SELECT sum(number) FROM thing WHERE id = ?1", {id})->get_int(0);
      });
    };
    db->write([](Tx& tx) {
      tx.execute(kInsert, {"a", 0, nullptr, nullptr});
      tx.execute(kInsert, {"b", 0, nullptr, nullptr});
    });
    for (int round = 1; round <= 5; ++round) {
      const int64_t wanted = sum("a") + 5;
      const pid_t pid = in_child([&db] {
        const auto mine = db.open_again();
        while (true) {
          mine->write([](Tx& tx) {
            tx.execute("UPDATE thing SET number = number + 1 WHERE id = 'a'");
            tx.execute("UPDATE thing SET number = number + 1 WHERE id = 'b'");
          });
        }
      });
      while (sum("a") < wanted) std::this_thread::yield();
      kill(pid, SIGKILL);
      EXPECT_EQ(128 + SIGKILL, exit_status(pid));
      EXPECT_EQ(sum("a"), sum("b"));
    }
  });
}

/// Ends the server's side of a connection, as a restart of the server does.
void terminate(Database& database, int64_t pid) {
  database.read([pid](Tx& tx) { tx.query("SELECT pg_terminate_backend(?1::integer)", {pid}); });
}

constexpr std::string_view kBackendPid = "SELECT pg_backend_pid()";

TEST(Postgres, AConnectionThatTheServerClosedIsReplaced) {
  with_things([](TestDatabase& db) {
    if (db->engine() != Engine::kPostgres) return;
    const auto pid = [](Tx& tx) { return tx.query_one(kBackendPid)->get_int(0); };
    const auto other = db.open_again();
    const int64_t before = db->read(pid);
    EXPECT_EQ(before, db->read(pid));  // Kept, and lent again.
    terminate(*other, before);
    EXPECT_NE(before, db->read(pid));
  });
}

TEST(Postgres, AWriteWhoseConnectionBreaksRunsAgain) {
  with_things([](TestDatabase& db) {
    if (db->engine() != Engine::kPostgres) return;
    const auto other = db.open_again();
    int run_count = 0;
    db->write([&](Tx& tx) {
      ++run_count;
      tx.execute(kInsert, {"a", run_count, nullptr, nullptr});
      if (run_count == 1) terminate(*other, tx.query_one(kBackendPid)->get_int(0));
      tx.execute(kInsert, {"b", run_count, nullptr, nullptr});
    });
    EXPECT_EQ(2, run_count);
    EXPECT_EQ(4, db->read([](Tx& tx) {
      return tx.query_one("SELECT sum(number) FROM thing")->get_int(0);
    }));
  });
}

TEST(Postgres, AStatementPreparedBeforeAChangeOfSchemaStillWorks) {
  with_things([](TestDatabase& db) {
    const auto other = db.open_again();
    const auto insert = [](Tx& tx) {
      return tx.query_one("INSERT INTO thing (id) VALUES (?1) RETURNING *", {new_object_id()})
          ->column_count();
    };
    EXPECT_EQ(4u, db->write(insert));
    std::vector<Migration> more = kThings;
    more.push_back({2, "more", "ALTER TABLE thing ADD COLUMN extra TEXT;"});
    other->migrate_with(more, {.backup_folder = db.folder()});
    EXPECT_EQ(5u, db->write(insert));
  });
}

TEST(Migrations, StepsRunOnceAndInOrder) {
  for (const Engine engine : test_engines()) {
    TestDatabase db(engine, TestDatabase::Schema::kEmpty);
    EXPECT_EQ(0, db->schema_version());
    db->migrate_with(kThings, {});
    db->migrate_with(kThings, {});
    EXPECT_EQ(1, db->schema_version());
    std::vector<Migration> more = kThings;
    more.push_back({2, "more",
                    "ALTER TABLE thing ADD COLUMN extra TEXT;"
                    "UPDATE thing SET extra = 'seen; and kept';"});
    db->write([](Tx& tx) { tx.execute(kInsert, {"a", 1, nullptr, nullptr}); });
    db->migrate_with(more, {.backup_folder = db.folder()});
    EXPECT_EQ(2, db->schema_version());
    EXPECT_EQ("seen; and kept", db->read([](Tx& tx) {
      return tx.query_one("SELECT extra FROM thing")->get_text(0);
    }));
  }
}

TEST(Migrations, ANewerDatabaseIsRefusedWithASentence) {
  for (const Engine engine : test_engines()) {
    TestDatabase db(engine, TestDatabase::Schema::kEmpty);
    std::vector<Migration> newer = kThings;
    newer.push_back({9, "newer", "CREATE TABLE newer (id TEXT PRIMARY KEY);"});
    db->migrate_with(newer, {});
    const Error error = error_of([&] { db->migrate_with(kThings, {}); });
    EXPECT_EQ(ErrorKind::kUnavailable, error.kind());
    EXPECT_NE(std::string::npos, error.message().find("version 9")) << error.message();
  }
}

TEST(Migrations, AFailedStepLeavesTheVersionBefore) {
  for (const Engine engine : test_engines()) {
    TestDatabase db(engine, TestDatabase::Schema::kEmpty);
    std::vector<Migration> steps = kThings;
    steps.push_back({2, "broken", "CREATE TABLE half (id TEXT PRIMARY KEY); SELECT nonsense;"});
    EXPECT_THROW(db->migrate_with(steps, {}), Error);
    EXPECT_EQ(1, db->schema_version());
    steps.back() = {2, "mended", "CREATE TABLE half (id TEXT PRIMARY KEY);"};
    db->migrate_with(steps, {.backup_folder = db.folder()});
    EXPECT_EQ(2, db->schema_version());
  }
}

TEST(Migrations, AnOlderSqliteDatabaseIsCopiedFirst) {
  TestDatabase db(Engine::kSqlite, TestDatabase::Schema::kEmpty);
  db->migrate_with(kThings, {});
  db->write([](Tx& tx) { tx.execute(kInsert, {"kept", 1, nullptr, nullptr}); });
  std::vector<Migration> more = kThings;
  more.push_back({2, "drop", "DROP TABLE thing;"});
  const std::string folder = db.folder() + "/it's here";
  fs::create_directories(folder);
  db->migrate_with(more, {.backup_folder = folder});
  int backup_count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    ++backup_count;
    const auto backup = Database::open("sqlite:" + entry.path().string());
    EXPECT_EQ(1, backup->schema_version());
    EXPECT_EQ("kept", backup->read([](Tx& tx) {
      return tx.query_one("SELECT id FROM thing")->get_text(0);
    }));
    break;  // Opening it made its WAL files beside it.
  }
  EXPECT_EQ(1, backup_count);
}

TEST(Migrations, TwoProcessesMayMigrateAtOnce) {
  for (const Engine engine : test_engines()) {
    TestDatabase db(engine, TestDatabase::Schema::kEmpty);
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&db] { EXPECT_NO_THROW(db.open_again()->migrate_with(kThings, {})); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(1, db->schema_version());
  }
}

TEST(Migrations, TheCompiledInStepsRunOnEveryEngine) {
  for (size_t i = 1; i < migrations().size(); ++i) {
    EXPECT_LT(migrations()[i - 1].version, migrations()[i].version);
  }
  for_each_engine([](TestDatabase& db) {
    EXPECT_EQ(migrations().empty() ? 0 : migrations().back().version, db->schema_version());
  });
}

TEST(SqlText, QuotedTextAndCommentsStayAsTheyAre) {
  EXPECT_EQ(
      "SELECT '?1 {{x}} it''s', \"?2\", $12 -- ?3\n, $4",
      translate_statement(Engine::kPostgres, "SELECT '?1 {{x}} it''s', \"?2\", ?12 -- ?3\n, ?4"));
}

TEST(SqlText, UnknownMacrosAreRefused) {
  EXPECT_THROW(translate_statement(Engine::kSqlite, "SELECT {{nonsense}}"), Error);
  EXPECT_THROW(translate_statement(Engine::kSqlite, "SELECT {{bigint}}"), Error);
  EXPECT_THROW(translate_migration(Engine::kSqlite, "SELECT {{"), Error);
}

TEST(SqlText, MigrationsNameTypesOnce) {
  const std::string_view sql = "CREATE TABLE t (a TEXT, b {{bigint}}, c {{bytes}}) {{strict}}";
  EXPECT_EQ("CREATE TABLE t (a TEXT, b INTEGER, c BLOB) STRICT",
            translate_migration(Engine::kSqlite, sql));
  EXPECT_EQ("CREATE TABLE t (a TEXT COLLATE \"C\", b BIGINT, c BYTEA) ",
            translate_migration(Engine::kPostgres, sql));
}

TEST(Sqlite, OnlyTheOwnerMayReadTheFiles) {
  TestDatabase db(Engine::kSqlite, TestDatabase::Schema::kEmpty);
  db->migrate_with(kThings, {});
  std::vector<Migration> more = kThings;
  more.push_back({2, "more", "ALTER TABLE thing ADD COLUMN extra TEXT;"});
  db->migrate_with(more, {.backup_folder = db.folder()});
  int file_count = 0;
  for (const auto& entry : fs::directory_iterator(db.folder())) {
    ++file_count;
    EXPECT_EQ(fs::perms::owner_read | fs::perms::owner_write, entry.status().permissions())
        << entry.path();
  }
  EXPECT_EQ(4, file_count);  // The database, its WAL and index, and the backup.
}

TEST(Sqlite, AFileThatIsNoDatabaseIsCalledDamaged) {
  TestDatabase db(Engine::kSqlite, TestDatabase::Schema::kEmpty);
  const std::string path = db.folder() + "/other.db";
  write_durably(path, std::string(5000, 'x'));
  EXPECT_EQ(ErrorKind::kCorrupt, error_of([&] { Database::open("sqlite:" + path); }).kind());
}

TEST(Sqlite, AWriterThatHoldsTheLockTooLongMakesOthersGiveUp) {
  TestDatabase db(Engine::kSqlite, TestDatabase::Schema::kEmpty);
  db->migrate_with(kThings, {});
  const auto other = Database::open("sqlite:" + db.folder() + "/hearth.db", {.wait_ms = 30});
  db->write([&](Tx&) {
    EXPECT_EQ(ErrorKind::kUnavailable, error_of([&] { other->write([](Tx&) {}); }).kind());
    other->read([](Tx& tx) { tx.query("SELECT id FROM thing"); });  // Readers do not wait.
  });
  other->write([](Tx&) {});
}

}  // namespace
}  // namespace hearth::db
