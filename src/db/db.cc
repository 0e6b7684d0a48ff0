#include "db/db.h"

#include <algorithm>

#include "base/fs.h"
#include "db/engines.h"

namespace hearth::db {
namespace {

// Starts the detail of the error, by which is_unique_violation knows it again.
constexpr std::string_view kUniqueViolation = "unique violation: ";

// The databases in whose transactions this thread stands. A second transaction inside a first
// would wait for the first one's connection for ever.
thread_local std::vector<const Database*> t_inside;

struct Inside {
  explicit Inside(const Database* database) {
    if (std::find(t_inside.begin(), t_inside.end(), database) != t_inside.end()) {
      throw internal_error("a transaction was started inside another one");
    }
    t_inside.push_back(database);
  }
  ~Inside() { t_inside.pop_back(); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
};

}  // namespace

std::unique_ptr<Database> Database::open(const std::string& url, const Options& options) {
  if (url.starts_with("sqlite:")) return open_sqlite(url.substr(7), options);
  if (url.starts_with("postgresql://") || url.starts_with("postgres://")) {
    return open_postgres(url, options);
  }
  throw Error(ErrorKind::kUnavailable,
              "The database must be given as sqlite:PATH or postgresql://USER@HOST/NAME.");
}

void Database::run_guarded(bool write, const Body& body) {
  Hooks hooks;
  {
    const Inside inside(this);
    if (write) {
      hooks = run_write([&](Tx& tx) {
        body(tx);
        failpoint("commit");
      });
      failpoint("committed");
    } else {
      hooks = run_read(body);
    }
  }
  for (const auto& hook : hooks) hook();
}

Rows Tx::query(std::string_view sql, const Params& params) {
  Rows rows;
  run_query(
      sql, params,
      [&rows](const Row& row) {
        rows.push_back(row);
        return true;
      },
      Fetch::kAtOnce);
  return rows;
}

std::optional<Row> Tx::query_one(std::string_view sql, const Params& params) {
  std::optional<Row> first;
  // Read to the end: a statement with RETURNING must not be stopped half way.
  run_query(
      sql, params,
      [&first](const Row& row) {
        if (!first) first = row;
        return true;
      },
      Fetch::kAtOnce);
  return first;
}

void Tx::for_each(std::string_view sql, const Params& params,
                  const std::function<bool(const Row&)>& on_row) {
  run_query(sql, params, on_row, Fetch::kStreamed);
}

void Tx::for_each_text(std::string_view sql, const Params& params,
                       const std::function<bool(std::string_view)>& on_text) {
  run_texts(sql, params, on_text);
}

void Tx::run_texts(std::string_view sql, const Params& params, const OnText& on_text) {
  run_query(
      sql, params, [&on_text](const Row& row) { return on_text(row.get_text(0)); },
      Fetch::kStreamed);
}

Error internal_error(const std::string& what) {
  return Error(ErrorKind::kInternal, "The server made a mistake with its database.",
               {.detail = what});
}

Error busy_error(const std::string& what) {
  return Error(ErrorKind::kUnavailable, "The database is busy. Try again in a moment.",
               {.detail = what, .retry_after_s = 5});
}

Error unique_violation(const std::string& what) {
  return Error(ErrorKind::kConflict, "That already exists.",
               {.detail = std::string(kUniqueViolation) + what});
}

Error reference_violation(const std::string& what) {
  return Error(ErrorKind::kConflict,
               "Something that this refers to is gone, or something else still refers to it.",
               {.detail = "foreign key violation: " + what});
}

bool is_unique_violation(const Error& error) {
  return error.kind() == ErrorKind::kConflict && error.detail().starts_with(kUniqueViolation);
}

}  // namespace hearth::db
