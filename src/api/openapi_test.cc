#include "api/openapi.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "api/repo_query.h"
#include "base/text.h"
#include "hub/listing.h"
#include "hub/repo_json.h"

namespace hearth::api {
namespace {

/// Calls `see` with each "$ref" in a value.
void each_reference(const json::value& value, const std::function<void(std::string)>& see) {
  if (const json::array* list = value.if_array()) {
    for (const json::value& item : *list) each_reference(item, see);
  } else if (const json::object* object = value.if_object()) {
    for (const auto& [key, item] : *object) {
      if (key == "$ref") see(std::string(as_view(item.as_string())));
      each_reference(item, see);
    }
  }
}

TEST(OpenApi, EachRowSaysWhatComesInAndWhatGoesOut) {
  const json::object known = schemas();
  for (const Route* row : built_routes()) {
    SCOPED_TRACE(std::string(row->method) + " " + std::string(row->pattern));
    EXPECT_FALSE(row->answer.empty()) << "\"none\" where there is no body";
    EXPECT_EQ(row->body_bytes_max > 0, !row->request.empty());
    for (std::string_view text : {row->request, row->answer, row->refusal}) {
      for (const BodyType& body : body_types(text)) {
        EXPECT_NE(body.media_type.find('/'), std::string_view::npos) << body.media_type;
        EXPECT_TRUE(body.schema.empty() || known.contains(body.schema)) << body.schema;
      }
    }
    std::set<std::string_view> names;
    for (const QueryParameter& parameter : row->query) {
      EXPECT_TRUE(names.insert(parameter.name).second) << parameter.name;
      EXPECT_FALSE(parameter.what.empty()) << parameter.name;
    }
  }
}

TEST(OpenApi, EachSchemaIsNamedOnceAndUsed) {
  auto document = parse_json(openapi_json());
  ASSERT_TRUE(document.has_value());
  std::set<std::string> wanted;
  each_reference(*document, [&](std::string to) { wanted.insert(std::move(to)); });
  for (const auto& [kind, all] : document->at("components").as_object()) {
    if (kind == "securitySchemes") continue;
    for (const auto& [name, value] : all.as_object()) {
      EXPECT_EQ(wanted.erase("#/components/" + std::string(kind) + "/" + std::string(name)), 1u)
          << name << " is not used";
    }
  }
  EXPECT_TRUE(wanted.empty()) << *wanted.begin() << " is not there";
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

TEST(OpenApi, ExpandNamesWhatTheTypesHave) {
  std::set<std::string> known;
  for (auto type : {hub::RepoType::kModel, hub::RepoType::kDataset, hub::RepoType::kSpace}) {
    try {
      hub::expand_fields(type, {"?"});
      FAIL() << "'?' is no field";
    } catch (const Error& error) {
      // … expected one of "author"|"baseModels" …
      const std::string message = error.message();
      auto parts = split(message, '"');
      for (size_t i = 1; i < parts.size(); i += 2) known.emplace(parts[i]);
    }
  }
  std::set<std::string> listed;
  for (std::string_view name : split(kExpandParameter.values, '|')) listed.emplace(name);
  EXPECT_EQ(listed, known);
}

TEST(OpenApi, SortNamesWhatAListIsSortedBy) {
  auto rows = listing_routes();
  auto row = std::ranges::find(rows, "/api/{types}", &Route::pattern);
  ASSERT_NE(row, rows.end());
  auto sort = std::ranges::find(row->query, "sort", &QueryParameter::name);
  ASSERT_NE(sort, row->query.end());
  for (std::string_view name : split(sort->values, '|')) {
    EXPECT_NO_THROW(
        hub::ListRequest::parse(hub::RepoType::kModel, Query("sort=" + std::string(name))))
        << name;
  }
  EXPECT_THROW(hub::ListRequest::parse(hub::RepoType::kModel, Query("sort=x")), Error);
}

}  // namespace
}  // namespace hearth::api
