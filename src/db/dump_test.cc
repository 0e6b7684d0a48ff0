#include "db/dump.h"

#include <gtest/gtest.h>

#include "db/test_database.h"

namespace hearth::db {
namespace {

constexpr std::string_view kAddAudit =
    "INSERT INTO audit (time_ms, actor_id, actor_name, remote_address, action, target, detail)"
    " VALUES (1, ?1, ?2, '', 'a', 't', '{}')";
constexpr std::string_view kAddXorb =
    "INSERT INTO xorb (hash, packed_bytes, unpacked_bytes, chunk_table, created_ms, last_ref_ms)"
    " VALUES (?1, 9007199254740993, 2, ?2, -1, 0)";

TEST(Dump, ARowReadsAsItWasWritten) {
  Params values = {nullptr, INT64_MIN, INT64_MAX, "", "caf\xc3\xa9 \"\n\t", Bytes{}, Bytes{0, 255}};
  std::string line = row_text(values);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  auto read = parse_row(line);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), values.size());
  EXPECT_TRUE((*read)[0].is_null());
  EXPECT_EQ(*(*read)[1].as_int(), INT64_MIN);
  EXPECT_EQ(*(*read)[2].as_int(), INT64_MAX);
  EXPECT_EQ(*(*read)[4].as_text(), "caf\xc3\xa9 \"\n\t");
  EXPECT_TRUE((*read)[5].as_blob()->empty());
  EXPECT_EQ(*(*read)[6].as_blob(), (Bytes{0, 255}));
}

TEST(Dump, WhatIsNoRowIsRefused) {
  for (const char* line : {"", "{}", "[1.5]", "[true]", "[[1]]", R"([{"b":"!"}])", R"([{"c":""}])",
                           R"([{"b":"","c":1}])", "[1", "[1]x", "[18446744073709551615]"}) {
    EXPECT_FALSE(parse_row(line)) << line;
  }
}

TEST(Dump, ParentsComeBeforeWhatRefersToThem) {
  for_each_engine([](TestDatabase& database) {
    auto tables = database->read([](Tx& tx) { return table_shapes(tx); });
    auto place = [&](std::string_view name) {
      return std::find_if(tables.begin(), tables.end(),
                          [&](const TableShape& table) { return table.name == name; });
    };
    ASSERT_NE(place("account"), tables.end());
    EXPECT_EQ(place("schema_version"), tables.end());
    EXPECT_LT(place("namespace"), place("account"));
    EXPECT_LT(place("account"), place("access_token"));
    EXPECT_LT(place("discussion"), place("discussion_event"));
    EXPECT_EQ(place("ref_head")->key, (std::vector<std::string>{"repo_id", "ref"}));
  });
}

/// Every row of every table, as text.
std::vector<std::string> all_rows(Database& database) {
  return database.read([](Tx& tx) {
    std::vector<std::string> lines;
    for (const TableShape& table : table_shapes(tx)) {
      for_each_row(tx, table, [&](const Row& row) {
        lines.push_back(table.name + " " + row_text(values_of(row)));
      });
    }
    return lines;
  });
}

TEST(Dump, RowsGoFromEachEngineToEach) {
  for_each_engine([](TestDatabase& from) {
    from->write([](Tx& tx) {
      tx.execute(kAddAudit, {nullptr, "\xc3\xa9"});
      tx.execute(kAddAudit, {"b", "x"});
      tx.execute(kAddXorb, {Bytes{2, 1}, Bytes{}});
      tx.execute(kAddXorb, {Bytes{1, 255}, Bytes{0}});
    });
    EXPECT_FALSE(is_empty(*from));
    for_each_engine([&](TestDatabase& to) {
      EXPECT_TRUE(is_empty(*to));
      from->read([&](Tx& reading) {
        to->write([&](Tx& tx) {
          auto tables = table_shapes(tx);
          for (const TableShape& table : tables) {
            std::vector<Params> rows;
            for_each_row(reading, table,
                         [&](const Row& row) { rows.push_back(values_of(row)); });
            insert_rows(tx, table, table.columns, rows);
          }
          continue_numbers(tx, tables);
        });
      });
      EXPECT_EQ(all_rows(*from), all_rows(*to));
      // The next row gets a number of its own.
      EXPECT_EQ(to->write([](Tx& tx) { return tx.execute(kAddAudit, {nullptr, "later"}); }), 1);
    });
  });
}

TEST(Dump, AColumnThatTheTableLacksIsRefused) {
  for_each_engine([](TestDatabase& database) {
    auto tables = database->read([](Tx& tx) { return table_shapes(tx); });
    try {
      database->write(
          [&](Tx& tx) { insert_rows(tx, tables[0], {"x\"; --"}, {Params{Value(1)}}); });
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalid);
    }
  });
}

}  // namespace
}  // namespace hearth::db
