#pragma once
// Tables as text that both engines read: how a backup takes a database along, also from one engine
// to the other.
//
// A row is one line, a JSON array of its values in the order of TableShape::columns: null, a 64-bit
// integer, a text, or bytes as {"b": "<base64>"}. Names of tables and columns always come from the
// schema of the database at hand, never from a dump.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "db/db.h"

namespace hearth::db {

struct TableShape {
  std::string name;
  std::vector<std::string> columns;
  std::vector<std::string> key;  // Columns of the primary key.
};

/// The tables of the schema but for schema_version, each after those that it refers to.
std::vector<TableShape> table_shapes(Tx& tx);

/// Every row in the order of the key (bytes of texts), which both engines have the same.
void for_each_row(Tx& tx, const TableShape& table, const std::function<void(const Row&)>& on_row);

/// Adds rows; each holds a value for every one of `columns`, which are all or some of the table's.
/// Throws Error{kInvalid} when the table has no such column.
void insert_rows(Tx& tx, const TableShape& table, const std::vector<std::string>& columns,
                 const std::vector<Params>& rows);

/// After rows were inserted with their numbers: the next number that the database gives is beyond.
void continue_numbers(Tx& tx, const std::vector<TableShape>& tables);

/// The migrations that this database has seen.
std::vector<int64_t> schema_steps(Tx& tx);

/// Whether no table holds a row (a schema alone counts as empty).
bool is_empty(Database& database);

/// One line, without its end.
std::string row_text(const Params& values);
Params values_of(const Row& row);
/// Reads a line that row_text wrote.
Parsed<Params> parse_row(std::string_view line);

}  // namespace hearth::db
