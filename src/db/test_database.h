#pragma once
// Databases for tests: each test has one of its own, on every engine that is at hand.

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "db/db.h"

namespace hearth::db {

/// A fresh database that is removed with this object.
class TestDatabase {
 public:
  enum class Schema { kMigrated, kEmpty };

  explicit TestDatabase(Engine engine, Schema schema = Schema::kMigrated);
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  Database& operator*() { return *database_; }
  Database* operator->() { return database_.get(); }

  /// The same database through connections of its own, as another process has it.
  std::unique_ptr<Database> open_again();

  /// A folder that is removed with the database.
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::string url_;
  Options options_;
  std::unique_ptr<Database> database_;
};

/// Notes how SQLite runs the statements of all TestDatabases that are opened while it lives. One at
/// a time, for a whole test program: see hub/explain_test.cc.
class PlanRecorder {
 public:
  PlanRecorder();
  ~PlanRecorder();
  PlanRecorder(const PlanRecorder&) = delete;
  PlanRecorder& operator=(const PlanRecorder&) = delete;

  /// "TABLE: statement" for each statement that reads a whole table, but for those in
  /// `small_tables`.
  std::vector<std::string> scans(const std::vector<std::string>& small_tables) const;

 private:
  friend class TestDatabase;
  void note(std::string_view sql, std::string_view plan);

  mutable std::mutex mutex_;
  std::set<std::pair<std::string, std::string>> plans_;  // Statement and a line of its plan.
};

/// SQLite always; PostgreSQL when HEARTH_TEST_POSTGRES names a server ("postgresql://…").
std::vector<Engine> test_engines();

/// Runs `test` once on each of them, on a migrated database of its own.
void for_each_engine(const std::function<void(TestDatabase&)>& test);

}  // namespace hearth::db
