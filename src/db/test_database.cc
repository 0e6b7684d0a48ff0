#include "db/test_database.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "base/fs.h"

namespace hearth::db {
namespace {

// Set while a PlanRecorder lives.
std::atomic<PlanRecorder*> g_recorder = nullptr;

const char* postgres_url() {
  const char* url = std::getenv("HEARTH_TEST_POSTGRES");
  return url && *url ? url : nullptr;
}

}  // namespace

TestDatabase::TestDatabase(Engine engine, Schema schema) {
  const std::string name = "hearth_test_" + new_object_id();
  folder_ = (fs::temp_directory_path() / name).string();
  fs::create_directories(folder_);
  if (PlanRecorder* recorder = g_recorder.load()) {
    options_.on_plan = [recorder](std::string_view sql, std::string_view plan) {
      recorder->note(sql, plan);
    };
  }
  if (engine == Engine::kSqlite) {
    url_ = "sqlite:" + folder_ + "/hearth.db";
  } else {
    HEARTH_ASSERT(postgres_url(), "HEARTH_TEST_POSTGRES is not set");
    url_ = postgres_url();
    Database::open(url_)->write([&name](Tx& tx) { tx.execute("CREATE SCHEMA " + name); });
    options_.postgres_schema = name;
  }
  database_ = open_again();
  if (schema == Schema::kMigrated) database_->migrate();
}

TestDatabase::~TestDatabase() {
  database_.reset();
  if (!options_.postgres_schema.empty()) {
    try {
      Database::open(url_)->write(
          [this](Tx& tx) { tx.execute("DROP SCHEMA " + options_.postgres_schema + " CASCADE"); });
    } catch (const Error&) {
      // The throwaway server takes it along.
    }
  }
  remove_tree(folder_);
}

std::unique_ptr<Database> TestDatabase::open_again() {
  return Database::open(url_, options_);
}

PlanRecorder::PlanRecorder() {
  g_recorder = this;
}

PlanRecorder::~PlanRecorder() {
  g_recorder = nullptr;
}

void PlanRecorder::note(std::string_view sql, std::string_view plan) {
  const std::lock_guard lock(mutex_);
  plans_.emplace(sql, plan);
}

std::vector<std::string> PlanRecorder::scans(const std::vector<std::string>& small_tables) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> found;
  for (const auto& [sql, plan] : plans_) {
    // "SCAN task" reads everything; "SCAN task USING INDEX …" walks an index in order, which a
    // LIMIT ends; "SCAN json_each VIRTUAL TABLE …" is a list of ours.
    constexpr std::string_view kScan = "SCAN ";
    if (!plan.starts_with(kScan)) continue;
    const std::string table = plan.substr(kScan.size());
    if (table.find(' ') != std::string::npos) continue;
    if (std::find(small_tables.begin(), small_tables.end(), table) != small_tables.end()) continue;
    found.push_back(table + ": " + sql);
  }
  return found;
}

std::vector<Engine> test_engines() {
  std::vector<Engine> engines = {Engine::kSqlite};
  if (postgres_url()) engines.push_back(Engine::kPostgres);
  return engines;
}

void for_each_engine(const std::function<void(TestDatabase&)>& test) {
  for (const Engine engine : test_engines()) {
    TestDatabase database(engine);
    test(database);
  }
}

}  // namespace hearth::db
