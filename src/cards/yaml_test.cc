#include <string>

#include <gtest/gtest.h>

#include "base/fs.h"
#include "cards/cards.h"

namespace hearth::cards {
namespace {

json::value parsed(std::string_view text) {
  auto value = parse_yaml(text);
  EXPECT_TRUE(value) << text << "\n" << value.error().message;
  return value ? *value : json::value("(error)");
}

std::string error_of(std::string_view text, const YamlOptions& options = {}) {
  auto value = parse_yaml(text, options);
  return value ? "(no error)" : value.error().message;
}

bool equal(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) {
    return a.to_number<double>() == b.to_number<double>() && a.is_double() == b.is_double();
  }
  return a == b;
}

// yaml_table.json was made by yaml_table.py with PyYAML itself.
TEST(Yaml, AgreesWithPyYamlOnEveryRowOfTheTable) {
  std::string text = read_file(std::string(HEARTH_SOURCE_DIR) + "/src/cards/yaml_table.json");
  json::value table = parse_json(text).value();
  ASSERT_GT(table.as_array().size(), 450u);
  for (const json::value& item : table.as_array()) {
    const json::object& row = item.as_object();
    std::string yaml = get_string(row, "yaml").value();
    auto value = parse_yaml(yaml);
    if (row.contains("error")) {
      EXPECT_FALSE(value) << yaml << "\n" << json::serialize(value.value_or(nullptr));
      continue;
    }
    if (!value) {
      ADD_FAILURE() << yaml << "\n" << value.error().message;
      continue;
    }
    const json::value& expected = row.at("json");
    bool same = *value == expected;
    if (!same && value->is_object() && expected.is_object() && value->get_object().size() == 1 &&
        expected.get_object().size() == 1) {
      same = equal(value->get_object().begin()->value(), expected.get_object().begin()->value());
    }
    EXPECT_TRUE(same) << yaml << "\n"
                      << json::serialize(*value) << "\n"
                      << json::serialize(expected);
  }
}

TEST(Yaml, KeepsTheOrderOfKeysAsPyYamlDoes) {
  EXPECT_EQ(json::serialize(parsed("b: 1\na: 2\nb: 3\n")), R"({"b":3,"a":2})");
  EXPECT_EQ(json::serialize(parsed("d: {z: 1, <<: {y: 2, z: 3}}")), R"({"d":{"y":2,"z":1}})");
}

TEST(Yaml, WhatOnlyLooksLikeADateStaysAText) {
  EXPECT_EQ(json::serialize(parsed("[2024-13-45, 2023-02-29, 2024-01-02T25:00:00Z, 0b_, 0x_]")),
            R"(["2024-13-45","2023-02-29","2024-01-02T25:00:00Z","0b_","0x_"])");
}

TEST(Yaml, IntegersBeyondSixtyFourBitsBecomeFloatingPoint) {
  EXPECT_TRUE(parsed("99999999999999999999999").is_double());
  EXPECT_TRUE(parsed("-9223372036854775808").is_int64());
}

TEST(Yaml, ErrorsNameLineAndColumnOfTheCard) {
  EXPECT_EQ(error_of("a: 1\nb: *x\n"), "found undefined alias 'x' (2:4)");
  EXPECT_EQ(error_of("a: *x\n", {.first_line = 2}), "found undefined alias 'x' (2:4)");
  EXPECT_NE(error_of("a: [1\nb: 2\n").find("(2:"), std::string::npos);
}

TEST(Yaml, RefusesARingOfAliases) {
  EXPECT_NE(error_of("&a [*a]").find("undefined alias"), std::string::npos);
  EXPECT_NE(error_of("&a {k: *a}").find("undefined alias"), std::string::npos);
}

TEST(Yaml, DepthIsLimitedToOneMoreThanAllowed) {
  std::string fits = std::string(64, '[') + std::string(64, ']');
  EXPECT_TRUE(parse_yaml(fits));
  EXPECT_EQ(error_of("[" + fits + "]"), "the YAML block is nested too deep (1:65)");
  std::string deep(500'000, '[');
  EXPECT_FALSE(parse_yaml(deep));
}

TEST(Yaml, AliasesCountTowardsDepth) {
  std::string text = "- &a0 [x]\n";
  for (int i = 1; i < 80; ++i) {
    text += "- &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  }
  EXPECT_NE(error_of(text).find("nested too deep"), std::string::npos);
}

TEST(Yaml, AliasesThatMultiplyStopAtTheLimit) {
  std::string text = "a: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i <= 9; ++i) {
    std::string alias = "*a" + std::to_string(i - 1);
    text += "k" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + alias;
    for (int k = 0; k < 9; ++k) text += "," + alias;
    text += "]\n";
  }
  EXPECT_NE(error_of(text).find("holds too many values"), std::string::npos);
}

TEST(Yaml, LongTextsThatAliasesRepeatStopAtTheLimit) {
  std::string text = "a: &a \"" + std::string(500'000, 'x') + "\"\nb: [*a";
  for (int i = 0; i < 100; ++i) text += ",*a";
  EXPECT_NE(error_of(text + "]\n").find("holds too many values"), std::string::npos);
}

TEST(Yaml, InputAboveTheLimitIsRefused) {
  EXPECT_EQ(error_of("abcd", {.bytes_max = 3}), "the YAML block is too large");
  EXPECT_EQ(error_of("abc", {.bytes_max = 3}), "(no error)");
}

TEST(Yaml, RefusesBytesThatAreNotUtf8) {
  EXPECT_EQ(error_of("a: \xff\n"), "the YAML block is not valid UTF-8");
}

TEST(Yaml, AnOrderedMapIsAListAndASetHasNullMembers) {
  EXPECT_EQ(json::serialize(parsed("!!omap [a: 1, b: 2]")), R"([{"a":1},{"b":2}])");
  EXPECT_EQ(json::serialize(parsed("!!set {a, b}")), R"({"a":null,"b":null})");
}

TEST(Yaml, AnEmptyViewIsAnEmptyText) {
  auto parsed = parse_yaml({});  // Found by the fuzzer's replay: the library aborts on null.
  ASSERT_TRUE(parsed.has_value());
  EXPECT_TRUE(parsed->is_null());
}

}  // namespace
}  // namespace hearth::cards
