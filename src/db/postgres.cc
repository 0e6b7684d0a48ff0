// PostgreSQL: a pool of connections, serialisable writes that are run again after a conflict.
//
// Prepared statements are cached for each connection, by text and parameter types: types are given
// to the server ($1 alone says nothing about itself), integers and text go as text, bytes as they
// are.

#include <charconv>
#include <cstring>
#include <random>
#include <thread>
#include <unordered_map>

#include <libpq-fe.h>

#include "base/log.h"
#include "base/text.h"
#include "db/connection_pool.h"
#include "db/engines.h"
#include "db/sql_text.h"

namespace hearth::db {
namespace {

// Type numbers of the server's catalogue (pg_type.dat); they never change.
constexpr Oid kBool = 16;
constexpr Oid kBytea = 17;
constexpr Oid kInt8 = 20;
constexpr Oid kInt2 = 21;
constexpr Oid kInt4 = 23;
constexpr Oid kText = 25;
constexpr Oid kFloat4 = 700;
constexpr Oid kFloat8 = 701;
constexpr Oid kNumeric = 1700;

constexpr size_t kCachedStatementsMax = 500;
constexpr int kAttemptsMax = 12;      // Of a write that conflicts; about two seconds with waits.
constexpr size_t kPipelineMax = 200;  // Statements before answers are read: the answers of this
                                      // many fit into socket buffers, so neither side blocks.
constexpr int kMigrationLock = 0x48726874;  // Any number; the same in every release.

struct ConnDeleter {
  void operator()(PGconn* conn) const noexcept { PQfinish(conn); }
};
struct ResultDeleter {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using Conn = std::unique_ptr<PGconn, ConnDeleter>;
using Result = std::unique_ptr<PGresult, ResultDeleter>;

/// What a failed statement means for the transaction.
enum class Trouble {
  kNone,
  kError,     // The caller's affair.
  kConflict,  // Another transaction was in the way: run it again.
  kStale,     // A cached statement no longer fits the schema: forget them, run it again.
  kBroken,    // The connection is gone.
};

bool is_broken(PGconn* conn, std::string_view state) {
  return PQstatus(conn) != CONNECTION_OK || state.starts_with("08") || state == "57P01" ||
         state == "57P02" || state == "57P03";
}

Trouble trouble_of(PGconn* conn, std::string_view state) {
  if (is_broken(conn, state)) return Trouble::kBroken;
  if (state == "40001" || state == "40P01") return Trouble::kConflict;
  if (state == "26000" || state == "0A000") return Trouble::kStale;
  return Trouble::kError;
}

Error error_of(std::string_view state, const std::string& what) {
  if (state == "23505") return unique_violation(what);
  if (state == "23503") return reference_violation(what);
  if (state == "22021" || state == "22P05") {
    return Error(ErrorKind::kInvalid, "Text must be valid UTF-8 without NUL characters.",
                 {.detail = what});
  }
  if (state == "53100") {
    return Error(ErrorKind::kUnavailable, "The database server's disk is full.", {.detail = what});
  }
  // Serialisation failure, deadlock, lock timeout, too many connections, cancelled by an operator.
  if (state.starts_with("40") || state == "55P03" || state.starts_with("53") ||
      state.starts_with("57")) {
    return busy_error(what);
  }
  if (state.empty() || state.starts_with("08")) {
    return Error(ErrorKind::kUnavailable, "The database server cannot be reached.",
                 {.detail = what, .retry_after_s = 5});
  }
  return internal_error(what);
}

/// Parameters in the form that libpq takes; points into the values it was made from.
class Arguments {
 public:
  explicit Arguments(const Params& params) {
    numbers_.reserve(params.size());
    for (const Value& value : params) {
      if (const int64_t* number = value.as_int()) {
        numbers_.push_back(std::to_string(*number));
        add(kInt8, numbers_.back().c_str(), numbers_.back().size(), 0);
      } else if (const std::string* text = value.as_text()) {
        check_storable(*text);
        add(kText, text->c_str(), text->size(), 0);
      } else if (const Bytes* bytes = value.as_blob()) {
        static const char kNothing = 0;  // A null pointer would mean NULL.
        add(kBytea, bytes->empty() ? &kNothing : reinterpret_cast<const char*>(bytes->data()),
            bytes->size(), 1);
      } else {
        add(0, nullptr, 0, 0);
      }
    }
  }

  int count() const { return static_cast<int>(values_.size()); }
  const Oid* types() const { return types_.data(); }
  const char* const* values() const { return values_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

  /// One letter for each type; statements are cached by it.
  std::string signature() const {
    std::string letters;
    for (Oid type : types_) {
      letters += type == kInt8 ? 'i' : type == kText ? 't' : type == kBytea ? 'b' : 'n';
    }
    return letters;
  }

 private:
  void add(Oid type, const char* value, size_t length, int format) {
    types_.push_back(type);
    values_.push_back(value);
    lengths_.push_back(static_cast<int>(length));
    formats_.push_back(format);
  }

  std::vector<std::string> numbers_;  // Reserved: the pointers into it stay.
  std::vector<Oid> types_;
  std::vector<const char*> values_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

int64_t integer_of(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw internal_error("not a 64-bit integer: " + std::string(text));
  }
  return number;
}

Value column_value(const PGresult* result, int row, int column) {
  if (PQgetisnull(result, row, column)) return nullptr;
  const std::string_view text(PQgetvalue(result, row, column),
                              static_cast<size_t>(PQgetlength(result, row, column)));
  switch (PQftype(result, column)) {
    case kInt2:
    case kInt4:
    case kInt8:
    case kNumeric:  // The sum of integers; a fraction is refused.
      return integer_of(text);
    case kBool:
      return text == "t" ? 1 : 0;
    case kBytea: {
      const auto bytes = from_hex(text.substr(std::min<size_t>(2, text.size())));  // "\x…"
      if (!bytes) throw internal_error("bytes not in hex");
      return *bytes;
    }
    case kFloat4:
    case kFloat8:
      throw internal_error("a floating point column");
    default:
      return text;
  }
}

Row row_of(const PGresult* result, int row) {
  const int column_count = PQnfields(result);
  std::vector<Value> values;
  values.reserve(static_cast<size_t>(column_count));
  for (int column = 0; column < column_count; ++column) {
    values.push_back(column_value(result, row, column));
  }
  return Row(std::move(values));
}

int64_t changed_count_of(PGresult* result) {
  const char* text = PQcmdTuples(result);
  return *text ? integer_of(text) : 0;
}

class Connection {
 public:
  Connection(const std::string& url, const Options& options) {
    // What stands before dbname may be overridden by the URL, what stands behind may not.
    const char* const keywords[] = {"connect_timeout", "application_name", "dbname",
                                    "client_encoding", nullptr};
    const char* const values[] = {"10", "hearth", url.c_str(), "UTF8", nullptr};
    conn_.reset(PQconnectdbParams(keywords, values, 1));
    if (!conn_ || PQstatus(conn_.get()) != CONNECTION_OK) {
      throw Error(
          ErrorKind::kUnavailable, "The database server cannot be reached.",
          {.detail = conn_ ? PQerrorMessage(conn_.get()) : "no memory", .retry_after_s = 5});
    }
    PQsetNoticeProcessor(conn_.get(), [](void*, const char*) {}, nullptr);
    std::string setup =
        "SET standard_conforming_strings = on; SET bytea_output = 'hex'; SET TimeZone = 'UTC';"
        "SET lock_timeout = " +
        std::to_string(options.wait_ms) +
        ";"
        // A transaction that someone forgot must not hold the others up for ever.
        "SET idle_in_transaction_session_timeout = '10min';";
    if (!options.postgres_schema.empty()) {
      setup += "SET search_path TO \"" + options.postgres_schema + "\";";
    }
    script(setup);
  }

  PGconn* get() { return conn_.get(); }
  Trouble trouble() const { return trouble_; }
  void clear_trouble() { trouble_ = Trouble::kNone; }

  void script(const std::string& sql) { check(Result(PQexec(conn_.get(), sql.c_str())), sql); }

  /// As script, and tells whether the server says that it did just that: COMMIT answers ROLLBACK
  /// when the transaction had failed.
  void commit() {
    const Result result(PQexec(conn_.get(), "COMMIT"));
    check_result(result.get(), "COMMIT");
    if (std::strcmp(PQcmdStatus(result.get()), "COMMIT") != 0) {
      throw internal_error("a failed statement was overlooked");
    }
  }

  void roll_back() noexcept {
    if (PQtransactionStatus(conn_.get()) == PQTRANS_IDLE) return;
    Result(PQexec(conn_.get(), "ROLLBACK"));
  }

  bool usable() const {
    return PQstatus(conn_.get()) == CONNECTION_OK &&
           PQtransactionStatus(conn_.get()) == PQTRANS_IDLE &&
           PQpipelineStatus(conn_.get()) == PQ_PIPELINE_OFF;
  }

  void forget_statements() {
    statements_.clear();
    Result(PQexec(conn_.get(), "DEALLOCATE ALL"));
  }

  /// Outside of a transaction: a failed one could not deallocate.
  void trim_statements() {
    if (statements_.size() > kCachedStatementsMax) forget_statements();
  }

  void query(std::string_view sql, const Params& params,
             const std::function<bool(const Row&)>& on_row, bool streamed) {
    const Arguments arguments(params);
    const std::string name = prepare(sql, arguments);
    if (streamed) {
      stream(sql, name, arguments, on_row);
      return;
    }
    const Result result = run(sql, name, arguments);
    const int row_count = PQntuples(result.get());
    for (int row = 0; row < row_count; ++row) {
      if (!on_row(row_of(result.get(), row))) return;
    }
  }

  int64_t execute(std::string_view sql, const Params& params) {
    const Arguments arguments(params);
    return changed_count_of(run(sql, prepare(sql, arguments), arguments).get());
  }

  int64_t execute_many(std::string_view sql, const std::vector<Params>& params_list) {
    int64_t changed_count = 0;
    for (size_t begin = 0; begin < params_list.size(); begin += kPipelineMax) {
      const size_t end = std::min(begin + kPipelineMax, params_list.size());
      changed_count += pipeline(sql, params_list, begin, end);
    }
    return changed_count;
  }

 private:
  Result check(Result result, std::string_view sql) {
    check_result(result.get(), sql);
    return result;
  }

  void check_result(const PGresult* result, std::string_view sql) {
    const ExecStatusType status = result ? PQresultStatus(result) : PGRES_FATAL_ERROR;
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE) {
      return;
    }
    const char* field = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    const std::string state = field ? field : "";
    trouble_ = trouble_of(conn_.get(), state);
    const char* message = result ? PQresultErrorMessage(result) : PQerrorMessage(conn_.get());
    throw error_of(state, std::string(cut_utf8(sql, 300)) + ": " + state + " " + message);
  }

  std::string prepare(std::string_view sql, const Arguments& arguments) {
    std::string key = arguments.signature();
    key += ' ';
    key += sql;
    const auto found = statements_.find(key);
    if (found != statements_.end()) return found->second;
    const std::string name = "s" + std::to_string(++prepared_count_);
    const std::string text = translate_statement(Engine::kPostgres, sql);
    check(Result(PQprepare(conn_.get(), name.c_str(), text.c_str(), arguments.count(),
                           arguments.types())),
          sql);
    statements_.emplace(std::move(key), name);
    return name;
  }

  Result run(std::string_view sql, const std::string& name, const Arguments& arguments) {
    return check(
        Result(PQexecPrepared(conn_.get(), name.c_str(), arguments.count(), arguments.values(),
                              arguments.lengths(), arguments.formats(), 0)),
        sql);
  }

  bool send(const std::string& name, const Arguments& arguments) {
    return PQsendQueryPrepared(conn_.get(), name.c_str(), arguments.count(), arguments.values(),
                               arguments.lengths(), arguments.formats(), 0) == 1;
  }

  void stream(std::string_view sql, const std::string& name, const Arguments& arguments,
              const std::function<bool(const Row&)>& on_row) {
    if (!send(name, arguments)) check_result(nullptr, sql);
    PQsetSingleRowMode(conn_.get());
    // Whatever happens, the rest of the answer is read: the connection is used again.
    struct Drain {
      PGconn* conn;
      ~Drain() {
        while (Result(PQgetResult(conn))) {
        }
      }
    } drain{conn_.get()};
    bool wanted = true;
    while (Result result{PQgetResult(conn_.get())}) {
      check_result(result.get(), sql);
      if (wanted && PQntuples(result.get()) == 1) wanted = on_row(row_of(result.get(), 0));
    }
  }

  /// Sends the statements of [begin, end) without waiting, then reads all answers.
  int64_t pipeline(std::string_view sql, const std::vector<Params>& params_list, size_t begin,
                   size_t end) {
    std::vector<Arguments> arguments;
    std::vector<std::string> names;
    for (size_t i = begin; i < end; ++i) {
      arguments.emplace_back(params_list[i]);
      names.push_back(prepare(sql, arguments.back()));
    }
    PGconn* conn = conn_.get();
    if (PQenterPipelineMode(conn) != 1) check_result(nullptr, sql);
    bool sent = true;
    for (size_t i = 0; i < arguments.size() && sent; ++i) sent = send(names[i], arguments[i]);
    if (!sent || PQpipelineSync(conn) != 1) check_result(nullptr, sql);

    int64_t changed_count = 0;
    Result failed;
    while (PQstatus(conn) == CONNECTION_OK) {
      Result result(PQgetResult(conn));
      if (!result) continue;  // Stands between the answers of two statements.
      const ExecStatusType status = PQresultStatus(result.get());
      if (status == PGRES_PIPELINE_SYNC) break;
      if (status == PGRES_COMMAND_OK) {
        changed_count += changed_count_of(result.get());
      } else if (status != PGRES_PIPELINE_ABORTED && !failed) {
        failed = std::move(result);
      }
    }
    PQexitPipelineMode(conn);
    if (failed) check_result(failed.get(), sql);
    if (PQstatus(conn) != CONNECTION_OK) check_result(nullptr, sql);
    return changed_count;
  }

  Conn conn_;
  Trouble trouble_ = Trouble::kNone;
  uint64_t prepared_count_ = 0;
  std::unordered_map<std::string, std::string> statements_;  // By types and text: the name.
};

class PostgresTx : public Tx {
 public:
  explicit PostgresTx(Connection& connection) : connection_(connection) {}

  Engine engine() const override { return Engine::kPostgres; }

  int64_t execute(std::string_view sql, const Params& params) override {
    return connection_.execute(sql, params);
  }

  int64_t execute_many(std::string_view sql, const std::vector<Params>& params_list) override {
    return connection_.execute_many(sql, params_list);
  }

 private:
  void run_query(std::string_view sql, const Params& params, const OnRow& on_row,
                 Fetch fetch) override {
    connection_.query(sql, params, on_row, fetch == Fetch::kStreamed);
  }

  void run_script(std::string_view sql) override { connection_.script(std::string(sql)); }

  Connection& connection_;
};

class PostgresDatabase : public Database {
 public:
  PostgresDatabase(std::string url, Options options)
      : url_(std::move(url)),
        options_(std::move(options)),
        readers_(static_cast<size_t>(options_.reader_count_max), options_.wait_ms,
                 [this] { return std::make_unique<Connection>(url_, options_); }),
        writers_(static_cast<size_t>(options_.writer_count_max), options_.wait_ms,
                 [this] { return std::make_unique<Connection>(url_, options_); }) {
    readers_.lease();  // Opened now, so that a wrong URL is an error at the start.
  }

  Engine engine() const override { return Engine::kPostgres; }

 protected:
  Hooks run_read(const Body& body) override {
    return transact(readers_, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", body, 1);
  }

  Hooks run_write(const Body& body) override {
    return transact(writers_, "BEGIN ISOLATION LEVEL SERIALIZABLE", body, kAttemptsMax);
  }

  void back_up(const std::string&, int64_t version) override {
    log_info(
        "The schema of the PostgreSQL database has version {} and is changed now; its backup "
        "is the operator's.",
        version);
  }

  void with_migration_lock(const std::function<void()>& body) override {
    // A connection of its own: the lock belongs to the session and ends with it.
    Connection connection(url_, options_);
    connection.script("SET lock_timeout = 0");
    connection.script("SELECT pg_advisory_lock(" + std::to_string(kMigrationLock) +
                      ", hashtext(current_schema()))");
    body();
  }

 private:
  using Pool = ConnectionPool<Connection>;

  Hooks transact(Pool& pool, const char* begin, const Body& body, int attempts_max) {
    for (int attempt = 1;; ++attempt) {
      auto connection = begin_transaction(pool, begin);
      bool committing = false;
      try {
        PostgresTx tx(*connection);
        body(tx);
        committing = true;
        connection->commit();
        return take_hooks(tx);
      } catch (...) {
        const Trouble trouble = connection->trouble();
        connection->roll_back();
        if (trouble == Trouble::kStale) connection->forget_statements();
        if (!connection->usable()) {
          connection.discard();
          pool.close_idle();
        }
        // A connection that broke at COMMIT leaves open whether the server kept the changes:
        // running it again might do them twice.
        const bool again = trouble == Trouble::kConflict || trouble == Trouble::kStale ||
                           (trouble == Trouble::kBroken && !committing);
        if (!again || attempt >= attempts_max) throw;
      }
      pause(attempt);
    }
  }

  /// A connection that stands in a transaction. One that the server closed meanwhile is replaced.
  static Pool::Lease begin_transaction(Pool& pool, const char* begin) {
    auto connection = pool.lease();
    connection->clear_trouble();
    connection->trim_statements();
    try {
      connection->script(begin);
      return connection;
    } catch (const Error&) {
      connection.discard();
      pool.close_idle();
    }
    auto fresh = pool.lease();
    fresh->script(begin);
    return fresh;
  }

  /// Waits a random time that grows, so that two that conflicted do not meet again.
  static void pause(int attempt) {
    thread_local std::minstd_rand random(std::random_device{}());
    const int wait_ms_max = std::min(2 << attempt, 300);
    std::this_thread::sleep_for(
        std::chrono::milliseconds(std::uniform_int_distribution<int>(1, wait_ms_max)(random)));
  }

  const std::string url_;
  const Options options_;
  Pool readers_;
  Pool writers_;
};

}  // namespace

std::unique_ptr<Database> open_postgres(const std::string& url, const Options& options) {
  return std::make_unique<PostgresDatabase>(url, options);
}

}  // namespace hearth::db
