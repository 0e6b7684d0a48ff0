// SQLite: one writer connection, a pool of readers, WAL, every commit flushed.
//
// Several processes share the file: a writer takes the write lock when it begins (BEGIN IMMEDIATE)
// and waits for the other process's up to Options::wait_ms, so a transaction that has begun never
// fails with "database is locked" half way.

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <unordered_map>

#include <fcntl.h>
#include <sqlite3.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/time.h"
#include "db/connection_pool.h"
#include "db/engines.h"
#include "db/sql_text.h"

namespace hearth::db {
namespace {

constexpr size_t kCachedStatementsMax = 500;  // About 2 MB a connection.

struct HandleDeleter {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
};
struct StmtDeleter {
  void operator()(sqlite3_stmt* stmt) const noexcept { sqlite3_finalize(stmt); }
};
using Handle = std::unique_ptr<sqlite3, HandleDeleter>;
using Stmt = std::unique_ptr<sqlite3_stmt, StmtDeleter>;

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

[[noreturn]] void throw_sqlite(sqlite3* handle, int rc, std::string_view doing) {
  const int code = handle ? sqlite3_extended_errcode(handle) : rc;
  const std::string what = std::string(doing) + ": " +
                           (handle ? sqlite3_errmsg(handle) : sqlite3_errstr(rc)) + " (" +
                           std::to_string(code) + ")";
  if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC) {
    // After a failed flush the kernel may have dropped what it could not write: only a restart,
    // which replays the log from the disk, says again what is there.
    log_error("The disk refused to keep the database: {}. The server stops.", what);
    std::abort();
  }
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
      if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
          code == SQLITE_CONSTRAINT_ROWID) {
        throw unique_violation(what);
      }
      if (code == SQLITE_CONSTRAINT_FOREIGNKEY) throw reference_violation(what);
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw busy_error(what);
    case SQLITE_FULL:
      throw Error(ErrorKind::kUnavailable, "The server's disk is full.", {.detail = what});
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      throw Error(ErrorKind::kCorrupt, "The server's database is damaged.", {.detail = what});
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_IOERR:
      throw Error(ErrorKind::kUnavailable, "The server's database cannot be read or written.",
                  {.detail = what});
    default:
      break;
  }
  throw internal_error(what);
}

/// Makes an empty file that only its owner may read, unless there is one: it will hold the hashes
/// of passwords and tokens. SQLite gives its other files the same mode. (An existing file is not
/// opened here: closing it again would drop the locks that this process has on it.)
void make_private_file(const std::string& path) {
  const Fd created(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (created) fsync_dir(fs::path(path).parent_path());
}

class Connection {
 public:
  Connection(const std::string& path, const Options& options) : on_plan_(options.on_plan) {
    const int64_t wait_ms = options.wait_ms;
    sqlite3* raw = nullptr;
    const int rc =
        sqlite3_open_v2(path.c_str(), &raw,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    handle_.reset(raw);
    if (rc != SQLITE_OK) throw_sqlite(raw, rc, "open " + path);
    sqlite3_extended_result_codes(raw, 1);
    wait_ = std::chrono::milliseconds(wait_ms);
    sqlite3_busy_handler(raw, wait_for_lock, this);
    set_wal(wait_ms);
    // FULL: a commit is on the disk when it returns. case_sensitive_like: as on PostgreSQL.
    script(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
        "PRAGMA trusted_schema = OFF; PRAGMA case_sensitive_like = ON;");
  }

  sqlite3* handle() { return handle_.get(); }

  void script(const std::string& sql) {
    const int rc = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    if (rc != SQLITE_OK) throw_sqlite(handle_.get(), rc, "script");
  }

  sqlite3_stmt* statement(std::string_view sql) {
    const auto found = statements_.find(sql);
    if (found != statements_.end()) return found->second.get();
    if (statements_.size() >= kCachedStatementsMax) statements_.clear();
    const std::string text = translate_statement(Engine::kSqlite, sql);
    sqlite3_stmt* raw = nullptr;
    const int rc = sqlite3_prepare_v3(handle_.get(), text.c_str(), static_cast<int>(text.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    Stmt stmt(raw);
    if (rc != SQLITE_OK) throw_sqlite(handle_.get(), rc, sql);
    if (on_plan_) explain(sql, text);
    return statements_.emplace(std::string(sql), std::move(stmt)).first->second.get();
  }

  /// BEGIN or COMMIT, prepared once: parsing them anew took a twelfth of a small request.
  void bracket(std::string_view sql) {
    sqlite3_stmt* stmt = statement(sql);
    const int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    if (rc != SQLITE_DONE) throw_sqlite(handle_.get(), rc, sql);
  }

  /// The integer that a PRAGMA answers.
  int64_t number(std::string_view pragma) {
    sqlite3_stmt* stmt = statement(pragma);
    const int rc = sqlite3_step(stmt);
    const int64_t answer = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    if (rc != SQLITE_ROW) throw_sqlite(handle_.get(), rc, pragma);
    return answer;
  }

  void roll_back() noexcept {
    // Some errors (a full disk) have rolled back already.
    if (sqlite3_get_autocommit(handle_.get()) == 0) {
      sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
  }

 private:
  /// Another process holds the lock. SQLite's own handler sleeps up to 100 ms at a time, which is
  /// hundreds of our transactions: eight writers took 5.7 s for 800 of them with it, 1.4 s so.
  static int wait_for_lock(void* self, int try_count) {
    auto& connection = *static_cast<Connection*>(self);
    const auto now = std::chrono::steady_clock::now();
    if (try_count == 0) connection.wait_began_ = now;
    if (now - connection.wait_began_ >= connection.wait_) return 0;
    std::this_thread::sleep_for(std::chrono::microseconds(try_count < 20 ? 500 : 5'000));
    return 1;
  }

  /// The change to WAL needs the file alone for a moment, and does not use the busy timeout when
  /// another process makes the same change.
  void set_wal(int64_t wait_ms) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
    while (true) {
      const int rc =
          sqlite3_exec(handle_.get(), "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
      if (rc == SQLITE_OK) return;
      if ((rc & 0xff) != SQLITE_BUSY || std::chrono::steady_clock::now() > give_up) {
        throw_sqlite(handle_.get(), rc, "journal_mode");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  void explain(std::string_view sql, const std::string& text) {
    const std::string question = "EXPLAIN QUERY PLAN " + text;
    sqlite3_stmt* raw = nullptr;
    const int rc = sqlite3_prepare_v2(handle_.get(), question.c_str(), -1, &raw, nullptr);
    const Stmt stmt(raw);
    if (rc != SQLITE_OK) throw_sqlite(handle_.get(), rc, question);
    while (sqlite3_step(raw) == SQLITE_ROW) {
      on_plan_(sql, reinterpret_cast<const char*>(sqlite3_column_text(raw, 3)));
    }
  }

  const std::function<void(std::string_view, std::string_view)> on_plan_;
  std::chrono::milliseconds wait_{0};
  std::chrono::steady_clock::time_point wait_began_;
  Handle handle_;  // Before the statements: they are finalised before it is closed.
  std::unordered_map<std::string, Stmt, TextHash, std::equal_to<>> statements_;
};

Value column_value(sqlite3_stmt* stmt, int column) {
  switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
      return static_cast<int64_t>(sqlite3_column_int64(stmt, column));
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(stmt, column));
      return std::string(text, static_cast<size_t>(sqlite3_column_bytes(stmt, column)));
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const uint8_t*>(sqlite3_column_blob(stmt, column));
      return Bytes(bytes, bytes + sqlite3_column_bytes(stmt, column));
    }
    case SQLITE_NULL:
      return nullptr;
    default:
      throw internal_error("a floating point column");
  }
}

class SqliteTx : public Tx {
 public:
  explicit SqliteTx(Connection& connection) : connection_(connection) {}

  Engine engine() const override { return Engine::kSqlite; }

  int64_t execute(std::string_view sql, const Params& params) override {
    const int64_t before = sqlite3_total_changes64(connection_.handle());
    run(sql, params, [](sqlite3_stmt*) { return true; });
    // total_changes also counts foreign key actions; changes() keeps an old value when a
    // statement changed nothing, so it is read only when something did.
    if (sqlite3_total_changes64(connection_.handle()) == before) return 0;
    return sqlite3_changes64(connection_.handle());
  }

  int64_t execute_many(std::string_view sql, const std::vector<Params>& params_list) override {
    int64_t changed_count = 0;
    for (const Params& params : params_list) changed_count += execute(sql, params);
    return changed_count;
  }

  bool failed() const { return failed_; }

 private:
  void run_query(std::string_view sql, const Params& params, const OnRow& on_row,
                 Fetch /*fetch*/) override {
    std::vector<Value> values;
    run(sql, params, [&](sqlite3_stmt* stmt) {
      const int column_count = sqlite3_column_count(stmt);
      values.clear();
      values.reserve(static_cast<size_t>(column_count));
      for (int i = 0; i < column_count; ++i) values.push_back(column_value(stmt, i));
      Row row(std::move(values));
      const bool go_on = on_row(row);
      values = std::move(row).take();
      return go_on;
    });
  }

  void run_texts(std::string_view sql, const Params& params, const OnText& on_text) override {
    run(sql, params, [&](sqlite3_stmt* stmt) {
      if (sqlite3_column_type(stmt, 0) != SQLITE_TEXT) {
        throw internal_error("not a text: " + std::string(sql));
      }
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(stmt, 0));
      return on_text({text, static_cast<size_t>(sqlite3_column_bytes(stmt, 0))});
    });
  }

  void run_script(std::string_view sql) override { connection_.script(std::string(sql)); }

  template <typename OnStep>
  void run(std::string_view sql, const Params& params, OnStep on_row) {
    if (failed_) throw internal_error("a transaction went on after a failed statement");
    failed_ = true;  // Until the end is reached, as PostgreSQL has it.
    sqlite3_stmt* stmt = connection_.statement(sql);
    struct Reset {
      sqlite3_stmt* stmt;
      ~Reset() {
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
      }
    } reset{stmt};
    bind(stmt, params, sql);
    while (true) {
      const int rc = sqlite3_step(stmt);
      if (rc == SQLITE_DONE) break;
      if (rc != SQLITE_ROW) throw_sqlite(connection_.handle(), rc, sql);
      if (!on_row(stmt)) break;
    }
    failed_ = false;
  }

  void bind(sqlite3_stmt* stmt, const Params& params, std::string_view sql) {
    if (sqlite3_bind_parameter_count(stmt) != static_cast<int>(params.size())) {
      throw internal_error("wrong number of parameters: " + std::string(sql));
    }
    int index = 0;
    for (const Value& value : params) {
      ++index;
      int rc = SQLITE_OK;
      if (const int64_t* number = value.as_int()) {
        rc = sqlite3_bind_int64(stmt, index, *number);
      } else if (const std::string* text = value.as_text()) {
        check_storable(*text);
        // The parameters outlive the statement's run: nothing is copied.
        rc = sqlite3_bind_text64(stmt, index, text->data(), text->size(), SQLITE_STATIC,
                                 SQLITE_UTF8);
      } else if (const Bytes* bytes = value.as_blob()) {
        // A null pointer would bind NULL; an empty vector may have one.
        rc = bytes->empty()
                 ? sqlite3_bind_zeroblob(stmt, index, 0)
                 : sqlite3_bind_blob64(stmt, index, bytes->data(), bytes->size(), SQLITE_STATIC);
      }
      if (rc != SQLITE_OK) throw_sqlite(connection_.handle(), rc, sql);
    }
  }

  Connection& connection_;
  bool failed_ = false;
};

class SqliteDatabase : public Database {
 public:
  SqliteDatabase(std::string path, const Options& options)
      : path_(std::move(path)),
        options_(options),
        readers_(static_cast<size_t>(options.reader_count_max), options.wait_ms,
                 [this] { return open_reader(); }),
        writer_(1, options.wait_ms,
                [this] { return std::make_unique<Connection>(path_, options_); }) {
    make_private_file(path_);
    readers_.lease();  // Opened now, so that a wrong path is an error at the start.
  }

  Engine engine() const override { return Engine::kSqlite; }

  std::optional<int64_t> change_number() override {
    // SQLite counts for each connection what the others commit: always the same one is asked, and
    // that one writes nothing.
    std::lock_guard lock(watch_mutex_);
    if (!watcher_) watcher_ = open_reader();
    return watcher_->number("PRAGMA data_version");
  }

 protected:
  Hooks run_read(const Body& body) override {
    auto connection = readers_.lease();
    return run(*connection, "BEGIN", body);
  }

  Hooks run_write(const Body& body) override {
    auto connection = writer_.lease();
    return run(*connection, "BEGIN IMMEDIATE", body);
  }

  void back_up(const std::string& folder, int64_t version) override {
    const fs::path target_dir = folder.empty() ? fs::path(path_).parent_path() : fs::path(folder);
    const std::string name = "backup-v" + std::to_string(version) + "-" +
                             std::to_string(system_clock().now_ms()) + ".db";
    const fs::path target = target_dir / name;
    const fs::path temporary = target_dir / (name + ".part");
    auto connection = readers_.lease();
    // query_only forbids VACUUM INTO as it would a write.
    connection->script("PRAGMA query_only = OFF");
    std::string quoted;
    for (char c : temporary.string()) quoted += c == '\'' ? std::string("''") : std::string(1, c);
    make_private_file(temporary.string());
    connection->script("VACUUM INTO '" + quoted + "'");
    connection->script("PRAGMA query_only = ON");
    // SQLite does not flush what VACUUM INTO writes.
    fsync_file(open_read(temporary));
    rename_durably(temporary, target);
    log_info("Copied the database to {} before changing its schema.", target.string());
  }

  void with_migration_lock(const std::function<void()>& body) override {
    body();  // Each step is checked again under the write lock.
  }

 private:
  std::unique_ptr<Connection> open_reader() {
    auto connection = std::make_unique<Connection>(path_, options_);
    connection->script("PRAGMA query_only = ON");
    return connection;
  }

  static Hooks run(Connection& connection, const char* begin, const Body& body) {
    connection.bracket(begin);
    try {
      SqliteTx tx(connection);
      body(tx);
      if (tx.failed()) throw internal_error("a failed statement was overlooked");
      connection.bracket("COMMIT");
      return take_hooks(tx);
    } catch (...) {
      connection.roll_back();
      throw;
    }
  }

  const std::string path_;
  const Options options_;
  ConnectionPool<Connection> readers_;
  ConnectionPool<Connection> writer_;
  std::mutex watch_mutex_;
  std::unique_ptr<Connection> watcher_;
};

}  // namespace

std::unique_ptr<Database> open_sqlite(const std::string& path, const Options& options) {
  return std::make_unique<SqliteDatabase>(path, options);
}

}  // namespace hearth::db
