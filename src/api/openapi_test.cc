#include "api/openapi.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace hearth::api {
namespace {

TEST(OpenApi, EachShapeIsJsonAndBelongsToARow) {
  auto rows = built_routes();
  for (const Shape& shape : shapes()) {
    SCOPED_TRACE(std::string(shape.method) + " " + std::string(shape.pattern));
    EXPECT_TRUE(std::any_of(rows.begin(), rows.end(), [&](const Route* row) {
      return row->method == shape.method && row->pattern == shape.pattern;
    }));
    for (std::string_view text : {shape.request, shape.answer}) {
      EXPECT_TRUE(text.empty() || parse_json(text).has_value());
    }
  }
}

TEST(OpenApi, EachRowOfTheMainHostIsAnOperation) {
  auto document = parse_json(openapi_json());
  ASSERT_TRUE(document.has_value());
  size_t operations = 0;
  for (const auto& [path, item] : document->at("paths").as_object()) {
    for (const auto& [name, value] : item.as_object()) {
      if (name == "parameters") continue;
      ++operations;
      EXPECT_TRUE(value.at("responses").as_object().contains("4XX")) << name << " " << path;
    }
  }
  size_t rows = 0;
  for (const Route* route : built_routes()) {
    if (route->host != VirtualHost::kMain) continue;
    rows += route->pattern.starts_with("/{prefix}") ? 3 : 1;
  }
  EXPECT_EQ(operations, rows);
}

}  // namespace
}  // namespace hearth::api
