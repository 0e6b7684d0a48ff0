#include "db/dump.h"

#include <algorithm>

#include "base/json.h"

namespace hearth::db {
namespace {

constexpr std::string_view kTablesSqlite =
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    " AND name <> 'schema_version' ORDER BY rowid";
constexpr std::string_view kColumnsSqlite =
    "SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid";
// Tables get their numbers in the order in which they are made: parents first.
constexpr std::string_view kTablesPostgres =
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname <> 'schema_version'"
    " ORDER BY c.oid";
constexpr std::string_view kColumnsPostgres =
    "SELECT a.attname, COALESCE(array_position(i.indkey::int2[], a.attnum) + 1, 0)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary"
    " WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname = ?1"
    " ORDER BY a.attnum";
constexpr std::string_view kNumberedPostgres =
    "SELECT column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND table_name = ?1 AND is_identity = 'YES'";

/// Names come from the schema: letters, digits and '_'.
std::string quoted(const std::string& name) {
  bool plain = !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!plain) {
    throw Error(ErrorKind::kCorrupt, "The database holds a table that is none of this program's.",
                {.detail = name});
  }
  return "\"" + name + "\"";
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + quoted(name);
  return list;
}

}  // namespace

std::vector<TableShape> table_shapes(Tx& tx) {
  const bool sqlite = tx.engine() == Engine::kSqlite;
  std::vector<TableShape> tables;
  for (const Row& row : tx.query(sqlite ? kTablesSqlite : kTablesPostgres)) {
    TableShape table{.name = row.get_text(0), .columns = {}, .key = {}};
    std::vector<std::pair<int64_t, std::string>> key;
    for (const Row& column : tx.query(sqlite ? kColumnsSqlite : kColumnsPostgres, {table.name})) {
      table.columns.push_back(column.get_text(0));
      if (column.get_int(1) > 0) key.emplace_back(column.get_int(1), column.get_text(0));
    }
    std::sort(key.begin(), key.end());
    for (auto& [position, name] : key) table.key.push_back(std::move(name));
    if (table.key.empty()) table.key = table.columns;
    tables.push_back(std::move(table));
  }
  return tables;
}

void for_each_row(Tx& tx, const TableShape& table, const std::function<void(const Row&)>& on_row) {
  tx.for_each("SELECT " + quoted_list(table.columns) + " FROM " + quoted(table.name) +
                  " ORDER BY " + quoted_list(table.key),
              {}, [&](const Row& row) {
                on_row(row);
                return true;
              });
}

void insert_rows(Tx& tx, const TableShape& table, const std::vector<std::string>& columns,
                 const std::vector<Params>& rows) {
  std::string places;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (std::ranges::find(table.columns, columns[i]) == table.columns.end()) {
      throw Error(ErrorKind::kInvalid,
                  "The table " + table.name + " has no column \"" + columns[i] + "\".");
    }
    places += (i == 0 ? "?" : ", ?") + std::to_string(i + 1);
  }
  tx.execute_many("INSERT INTO " + quoted(table.name) + " (" + quoted_list(columns) +
                      ") VALUES (" + places + ")",
                  rows);
}

void continue_numbers(Tx& tx, const std::vector<TableShape>& tables) {
  if (tx.engine() == Engine::kSqlite) return;  // AUTOINCREMENT saw what was inserted.
  for (const TableShape& table : tables) {
    for (const Row& row : tx.query(kNumberedPostgres, {table.name})) {
      std::string column = quoted(row.get_text(0));
      tx.query("SELECT setval(pg_get_serial_sequence(?1, ?2), COALESCE(MAX(" + column +
                   "), 0) + 1, false) FROM " + quoted(table.name),
               {quoted(table.name), row.get_text(0)});
    }
  }
}

std::vector<int64_t> schema_steps(Tx& tx) {
  std::vector<int64_t> steps;
  for (const Row& row : tx.query("SELECT version FROM schema_version ORDER BY version")) {
    steps.push_back(row.get_int(0));
  }
  return steps;
}

bool is_empty(Database& database) {
  return database.read([](Tx& tx) {
    for (const TableShape& table : table_shapes(tx)) {
      if (tx.query_one("SELECT 1 FROM " + quoted(table.name) + " LIMIT 1")) return false;
    }
    return true;
  });
}

std::string row_text(const Params& values) {
  json::array line;
  line.reserve(values.size());
  for (const Value& value : values) {
    if (const int64_t* number = value.as_int()) {
      line.emplace_back(*number);
    } else if (const std::string* text = value.as_text()) {
      line.emplace_back(*text);
    } else if (const Bytes* bytes = value.as_blob()) {
      line.emplace_back(json::object{{"b", to_base64(*bytes)}});
    } else {
      line.emplace_back(nullptr);
    }
  }
  return json::serialize(line);
}

Params values_of(const Row& row) {
  Params values;
  values.reserve(row.column_count());
  for (size_t i = 0; i < row.column_count(); ++i) values.push_back(row.value(i));
  return values;
}

Parsed<Params> parse_row(std::string_view line) {
  auto parsed = parse_json(line, {.depth_max = 4});
  if (!parsed) return tl::unexpected(parsed.error());
  const json::array* list = parsed->if_array();
  if (list == nullptr) return parse_error("a row is not a JSON array");
  Params values;
  values.reserve(list->size());
  for (const json::value& item : *list) {
    if (item.is_null()) {
      values.emplace_back(nullptr);
    } else if (const int64_t* number = item.if_int64()) {
      values.emplace_back(*number);
    } else if (const json::string* text = item.if_string()) {
      values.emplace_back(as_view(*text));
    } else if (const json::object* object = item.if_object()) {
      auto encoded = get_string(*object, "b");
      auto bytes = encoded ? from_base64(*encoded) : std::nullopt;
      if (!bytes || object->size() != 1) return parse_error("a value of a row is not bytes");
      values.emplace_back(std::move(*bytes));
    } else {
      return parse_error("a value of a row has no type that a database holds");
    }
  }
  return values;
}

}  // namespace hearth::db
