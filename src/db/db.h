#pragma once
// SQL on two engines: SQLite for one machine, PostgreSQL for several.
//
// Statements are written once, in the common subset (SQLite >= 3.35, PostgreSQL >= 14), with
// placeholders ?1, ?2 … and these macros, which each engine spells in its own way:
//
//   {{list ?1}}          after IN: the texts of db::in_list(…)          … WHERE id IN {{list ?1}}
//   {{int_list ?1}}      after IN: the integers of db::in_list(…)
//   {{for_update}}       at the end of a SELECT in a write: locks its rows (SQLite: already locked)
//   {{skip_locked}}      the same, leaving out rows that another process holds
//
// The same text must mean the same on both engines, hence: LIKE is case-sensitive, text sorts by
// its UTF-8 bytes, text is valid UTF-8 without NUL (other text is refused; store it as bytes),
// integers are 64 bits, and SQLite tables are STRICT.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace hearth::db {

enum class Engine { kSqlite, kPostgres };

/// One SQL value: null, a 64-bit integer (booleans are 0 and 1), a text, or bytes.
class Value {
 public:
  Value() = default;
  Value(std::nullptr_t) {}
  template <typename T>
    requires std::is_integral_v<T>
  Value(T number) : value_(checked(number)) {}
  Value(const char* text) : value_(std::string(text)) {}
  Value(std::string_view text) : value_(std::string(text)) {}
  Value(std::string text) : value_(std::move(text)) {}
  Value(Bytes bytes) : value_(std::move(bytes)) {}
  Value(ByteView bytes) : value_(Bytes(bytes.begin(), bytes.end())) {}
  template <typename T>
  Value(const std::optional<T>& value) {
    if (value) *this = Value(*value);
  }

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  const int64_t* as_int() const { return std::get_if<int64_t>(&value_); }
  const std::string* as_text() const { return std::get_if<std::string>(&value_); }
  const Bytes* as_blob() const { return std::get_if<Bytes>(&value_); }

 private:
  template <typename T>
  static int64_t checked(T number) {
    if constexpr (std::is_unsigned_v<T> && sizeof(T) == 8) {
      if (number > static_cast<uint64_t>(INT64_MAX)) throw_too_large();
    }
    return static_cast<int64_t>(number);
  }
  [[noreturn]] static void throw_too_large();

  std::variant<std::monostate, int64_t, std::string, Bytes> value_;
};

using Params = std::vector<Value>;

/// One row of an answer, by column index. A getter of the wrong type throws Error{kInternal}:
/// the statement and the code that reads it disagree.
class Row {
 public:
  Row() = default;
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}

  /// Gives the values back, so that the next row can use their room.
  std::vector<Value> take() && { return std::move(values_); }
  size_t column_count() const { return values_.size(); }
  const Value& value(size_t column) const { return at(column); }
  bool is_null(size_t column) const { return at(column).is_null(); }
  int64_t get_int(size_t column) const;
  bool get_bool(size_t column) const { return get_int(column) != 0; }
  const std::string& get_text(size_t column) const;
  const Bytes& get_blob(size_t column) const;
  std::optional<int64_t> get_optional_int(size_t column) const;
  std::optional<std::string> get_optional_text(size_t column) const;
  std::optional<Bytes> get_optional_blob(size_t column) const;

 private:
  const Value& at(size_t column) const;
  std::vector<Value> values_;
};

using Rows = std::vector<Row>;

/// One transaction, as the function given to Database::read or ::write sees it.
///
/// Statements are constants: never build SQL from input. Used by one thread.
/// Errors: kConflict (a unique or foreign key or check refused it; see is_unique_violation),
/// kUnavailable (the database cannot be reached, is locked for too long, or the disk is full),
/// kInvalid (text that is not UTF-8), kInternal (a wrong statement).
class Tx {
 public:
  virtual ~Tx() = default;
  Tx() = default;
  Tx(const Tx&) = delete;
  Tx& operator=(const Tx&) = delete;

  virtual Engine engine() const = 0;

  /// All rows of a SELECT, or of a statement with RETURNING. For answers of bounded size.
  Rows query(std::string_view sql, const Params& params = {});

  /// The first row, if there is one.
  std::optional<Row> query_one(std::string_view sql, const Params& params = {});

  /// Calls `on_row` for each row without holding all of them. `on_row` returns false to stop, and
  /// may not use this transaction.
  void for_each(std::string_view sql, const Params& params,
                const std::function<bool(const Row&)>& on_row);

  /// As for_each, for very many rows of one text each: on_text gets the first column, which lives
  /// for the call alone. SQLite hands its own bytes over, at a third of for_each's cost.
  void for_each_text(std::string_view sql, const Params& params,
                     const std::function<bool(std::string_view)>& on_text);

  /// Runs an INSERT, UPDATE or DELETE; returns how many rows it changed. After a statement that
  /// failed the transaction cannot go on: let the error leave the function. To try an INSERT, use
  /// ON CONFLICT DO NOTHING and look at the count.
  virtual int64_t execute(std::string_view sql, const Params& params = {}) = 0;

  /// The same statement for each set of parameters, in one round trip where the engine can.
  /// Returns how many rows were changed in all.
  virtual int64_t execute_many(std::string_view sql, const std::vector<Params>& params_list) = 0;

  /// Runs `done` on this thread after the commit, when no lock is held; forgotten if the
  /// transaction fails or is run again. For waking someone up: what must not be lost is a task.
  void after_commit(std::function<void()> done) { after_commit_.push_back(std::move(done)); }

 protected:
  friend class Database;
  using OnRow = std::function<bool(const Row&)>;
  using OnText = std::function<bool(std::string_view)>;
  /// Large answers are streamed; small ones are cheaper as a whole.
  enum class Fetch { kAtOnce, kStreamed };
  virtual void run_query(std::string_view sql, const Params& params, const OnRow& on_row,
                         Fetch fetch) = 0;
  /// For for_each_text. Here by way of run_query.
  virtual void run_texts(std::string_view sql, const Params& params, const OnText& on_text);
  /// Several statements that stand in one text, with no parameters: a migration.
  virtual void run_script(std::string_view sql) = 0;
  std::vector<std::function<void()>> after_commit_;
};

/// The parameter for {{list ?N}}.
Value in_list(const std::vector<std::string>& texts);
/// The parameter for {{int_list ?N}}.
Value in_list(const std::vector<int64_t>& numbers);

/// Whether this is the error of an INSERT or UPDATE that would have made a duplicate key.
bool is_unique_violation(const Error& error);

struct Options {
  int reader_count_max = 16;         // Connections for reading; more readers wait their turn.
  int writer_count_max = 4;          // PostgreSQL only: SQLite has one writer.
  int64_t wait_ms = 20'000;          // For a connection, or for another process's lock.
  std::string postgres_schema = {};  // Tests: a schema of their own. Empty: the role's default.
  /// Tests, SQLite only: told how each statement will be run when it is prepared, one call for each
  /// line of EXPLAIN QUERY PLAN.
  std::function<void(std::string_view sql, std::string_view plan)> on_plan = {};
};

struct MigrateOptions {
  /// Where an older SQLite database is copied before it is changed. Empty: beside the database.
  std::string backup_folder = {};
};

/// One numbered step of the schema; the text still has its macros.
struct Migration {
  int64_t version;
  std::string_view name;
  std::string_view sql;
};

/// The steps that were compiled in, by ascending version.
const std::vector<Migration>& migrations();

/// A database. Safe from any thread; several processes may use the same one.
class Database {
 public:
  /// `url` is "sqlite:PATH" or "postgresql://…" (as libpq reads it). Makes the SQLite file if it
  /// is absent. Throws Error{kUnavailable}. Does not touch the schema: see migrate().
  static std::unique_ptr<Database> open(const std::string& url, const Options& options = {});

  virtual ~Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  virtual Engine engine() const = 0;

  /// Brings the schema to this program's version: makes it, or backs an older one up (SQLite) and
  /// runs the missing steps, each in a transaction. Throws Error{kUnavailable} with a sentence for
  /// the operator when the database is newer than the program.
  void migrate(const MigrateOptions& options = {});
  void migrate_with(const std::vector<Migration>& steps, const MigrateOptions& options);

  /// The highest step that was run; 0 when nothing has been made yet.
  int64_t schema_version();
  /// What it takes on its disk (SQLite: without the log of the last writes).
  int64_t size_bytes();
  /// What the engine finds wrong with its own files, a sentence each: SQLite's integrity and
  /// foreign key checks (reads everything), PostgreSQL's count of pages whose sums did not fit.
  std::vector<std::string> integrity_problems();

  /// A number that is another one after each change of the database by anybody, this process or
  /// another. What was read after it had been taken is what would be read now while it is the same.
  /// Nothing where the engine cannot tell this more cheaply than the reading is (PostgreSQL).
  virtual std::optional<int64_t> change_number() { return std::nullopt; }

  /// Runs `fn(Tx&)` once on one consistent snapshot and returns what it returns. No writes.
  template <typename Fn>
  auto read(Fn&& fn) {
    return run<false>(std::forward<Fn>(fn));
  }

  /// Runs `fn(Tx&)` in one serialisable transaction; commits when it returns, undoes everything
  /// when it throws. `fn` MAY RUN AGAIN after a conflict with another process: it has no other
  /// effect than through its Tx, and starts its results anew. Never nested in another write or
  /// read of the same thread.
  template <typename Fn>
  auto write(Fn&& fn) {
    return run<true>(std::forward<Fn>(fn));
  }

 protected:
  using Body = std::function<void(Tx&)>;
  using Hooks = std::vector<std::function<void()>>;

  Database() = default;
  /// Each runs `body` in a transaction and returns what is to be called after the commit.
  virtual Hooks run_read(const Body& body) = 0;
  virtual Hooks run_write(const Body& body) = 0;
  /// Copies the database aside before a migration; nothing to do on PostgreSQL.
  virtual void back_up(const std::string& folder, int64_t version) = 0;
  /// Runs `body` while no other process migrates this database.
  virtual void with_migration_lock(const std::function<void()>& body) = 0;

  static Hooks take_hooks(Tx& tx) { return std::exchange(tx.after_commit_, {}); }

 private:
  template <bool kWrite, typename Fn>
  auto run(Fn&& fn) -> std::invoke_result_t<Fn&, Tx&> {
    using Result = std::invoke_result_t<Fn&, Tx&>;
    if constexpr (std::is_void_v<Result>) {
      run_guarded(kWrite, [&fn](Tx& tx) { fn(tx); });
    } else {
      std::optional<Result> result;
      run_guarded(kWrite, [&fn, &result](Tx& tx) { result.emplace(fn(tx)); });
      return std::move(*result);
    }
  }
  void run_guarded(bool write, const Body& body);
};

}  // namespace hearth::db
