// The OpenAPI 3.1 document, from the rows themselves. What it says of a row is what the row knows:
// path, query, who may, how long a body may be, what comes in and what goes out.

#include "api/openapi.h"

#include "base/text.h"

namespace hearth::api {

/// Made by CMake from src/api/schemas: a JSON object a file.
std::span<const std::string_view> schemas_json();

namespace {

constexpr std::string_view kJson = "application/json";

json::object reference(std::string_view name) {
  return {{"$ref", "#/components/" + std::string(name)}};
}

/// What a segment of a pattern becomes; several where one pattern stands for several paths.
struct Expanded {
  std::string path;
  json::array parameters;
};

json::object parameter(std::string_view name, json::object schema) {
  return {{"name", name}, {"in", "path"}, {"required", true}, {"schema", std::move(schema)}};
}

void append(Expanded& to, std::string_view name, json::object schema) {
  to.path += "/{" + std::string(name) + "}";
  to.parameters.emplace_back(parameter(name, std::move(schema)));
}

std::vector<Expanded> expand(std::string_view pattern) {
  std::vector<Expanded> all(1);
  for (std::string_view part : split(pattern.substr(1), '/')) {
    if (part == "{prefix}") {  // Always first.
      all = {Expanded{}, Expanded{"/datasets", {}}, Expanded{"/spaces", {}}};
      continue;
    }
    for (Expanded& one : all) {
      if (part == "{types}") {
        append(one, "repo_type",
               {{"type", "string"}, {"enum", json::array{"models", "datasets", "spaces"}}});
      } else if (part == "{repo}" || part == "{repo.git}") {
        append(one, "namespace", {{"type", "string"}, {"minLength", 1}});
        append(one, "repo", {{"type", "string"}, {"minLength", 1}});
      } else if (part.starts_with('{')) {
        std::string_view name = part.substr(1, part.size() - 2);
        const bool is_rest = name.ends_with('*');
        if (is_rest) name.remove_suffix(1);
        append(one, name, {{"type", "string"}, {"minLength", 1}});
        if (is_rest) one.parameters.back().as_object()["x-rest-of-path"] = true;
      } else if (!part.empty()) {
        one.path += "/" + std::string(part);
      }
    }
  }
  for (Expanded& one : all) {
    if (one.path.empty()) one.path = "/";
  }
  return all;
}

json::object schema_of(const QueryParameter& parameter) {
  json::object schema;
  switch (parameter.type) {
    case QueryParameter::Type::kText:
      schema["type"] = "string";
      break;
    case QueryParameter::Type::kFlag:
      schema["type"] = "boolean";
      break;
    case QueryParameter::Type::kNumber:
      schema["type"] = "integer";
      schema["minimum"] = parameter.min;
      if (parameter.max > 0) schema["maximum"] = parameter.max;
      break;
  }
  if (!parameter.values.empty()) {
    json::array values;
    for (std::string_view value : split(parameter.values, '|')) values.emplace_back(value);
    schema["enum"] = std::move(values);
  }
  if (!parameter.repeated) return schema;
  return {{"type", "array"}, {"items", std::move(schema)}};
}

json::array query_of(const Route& route) {
  json::array list;
  for (const QueryParameter& parameter : route.query) {
    json::object one{{"name", parameter.name},
                     {"in", "query"},
                     {"description", parameter.what},
                     {"required", parameter.required},
                     {"schema", schema_of(parameter)}};
    if (parameter.repeated) {
      one["style"] = "form";
      one["explode"] = true;
    }
    list.push_back(std::move(one));
  }
  return list;
}

json::object content_of(std::string_view text) {
  json::object content;
  for (const BodyType& body : body_types(text)) {
    json::object about;
    if (!body.schema.empty()) {
      about["schema"] = reference("schemas/" + std::string(body.schema));
    }
    content[body.media_type] = std::move(about);
  }
  return content;
}

json::object headers_of(std::string_view names) {
  json::object headers;
  for (std::string_view name : split(names, ' ')) {
    if (name.empty()) continue;
    const bool is_required = !name.ends_with('?');
    if (!is_required) name.remove_suffix(1);
    headers[name] = {{"required", is_required}, {"schema", {{"type", "string"}}}};
  }
  return headers;
}

json::object responses_of(const Route& route) {
  json::object success{{"description", route.summary}};
  if (json::object content = content_of(route.answer); !content.empty()) {
    success["content"] = std::move(content);
  }
  if (json::object headers = headers_of(route.answer_headers); !headers.empty()) {
    success["headers"] = std::move(headers);
  }
  json::object responses{{"2XX", std::move(success)},
                         {"3XX", {{"description", "Moved, not changed, or go on there."}}}};
  if (route.refusal.empty()) {
    responses["4XX"] = reference("responses/Error");
  } else {
    responses["4XX"] = {{"description", "What is wrong and what to do."},
                        {"content", content_of(route.refusal)}};
  }
  if (!route.not_built.empty()) {
    responses["501"] = {
        {"description", route.not_built},
        {"content", {{kJson, {{"schema", reference("schemas/Error")}}}, {"text/html", {}}}}};
  }
  for (const char* status : {"500", "503", "504"}) responses[status] = reference("responses/Error");
  return responses;
}

bool wants_credential(Allow allow) {
  return allow == Allow::kSignedIn || allow == Allow::kSignedInWrite ||
         allow == Allow::kRepoDiscuss || allow == Allow::kRepoWrite ||
         allow == Allow::kRepoAdminister || allow == Allow::kAdministrator ||
         allow == Allow::kScraper;
}

json::object operation_of(const Route& route, std::string_view path) {
  json::object operation{{"summary", route.summary},
                         {"operationId", std::string(route.method) + " " + std::string(path)},
                         {"x-read-by", route.source}};
  if (!route.query.empty()) operation["parameters"] = query_of(route);
  if (route.body_bytes_max > 0) {
    operation["requestBody"] = {{"content", content_of(route.request)},
                                {"x-bytes-max", route.body_bytes_max}};
  }
  operation["responses"] = responses_of(route);
  if (route.own_credential) {
    operation["security"] = json::array{json::object{{"xet", json::array{}}}};
  } else if (wants_credential(route.allow)) {
    operation["security"] = json::array{json::object{{"token", json::array{}}}};
  } else if (route.allow != Allow::kSignedUrl) {
    operation["security"] = json::array{json::object{}, json::object{{"token", json::array{}}}};
  }
  return operation;
}

json::object components() {
  json::object text{{"schema", {{"type", "string"}}}};
  json::object answer{
      {"description",
       "What is wrong and what to do, as a sentence. A browser's pages answer with HTML."},
      {"headers", {{"X-Error-Code", text}, {"X-Error-Message", text}, {"X-Request-Id", text}}},
      {"content",
       {{kJson, {{"schema", reference("schemas/Error")}}},
        {"text/html", json::object{}},
        {"text/plain", json::object{}}}}};
  return {{"schemas", schemas()},
          {"responses", {{"Error", std::move(answer)}}},
          {"securitySchemes",
           {{"token", {{"type", "http"}, {"scheme", "bearer"}}},
            {"xet", {{"type", "http"}, {"scheme", "bearer"}}}}}};
}

}  // namespace

std::vector<BodyType> body_types(std::string_view text) {
  std::vector<BodyType> types;
  if (text.empty() || text == "none") return types;
  for (std::string_view one : split(text, '|')) {
    const size_t space = one.find(' ');
    if (space != std::string_view::npos) {
      types.push_back({one.substr(0, space), one.substr(space + 1)});
    } else if (one.find('/') == std::string_view::npos) {
      types.push_back({kJson, one});
    } else {
      types.push_back({one, {}});
    }
  }
  return types;
}

json::object schemas() {
  json::object all;
  for (std::string_view file : schemas_json()) {
    json::value parsed = json::parse(file);
    for (auto& [name, schema] : parsed.as_object()) all[name] = std::move(schema);
  }
  return all;
}

std::string openapi_json() {
  json::object paths;
  for (const Route* route : built_routes()) {
    if (route->host != VirtualHost::kMain) continue;
    for (Expanded& one : expand(route->pattern)) {
      json::value& place = paths[one.path];
      json::object& item = place.is_null() ? place.emplace_object() : place.as_object();
      item["parameters"] = std::move(one.parameters);
      item[to_lower(route->method)] = operation_of(*route, one.path);
    }
  }
  return json::serialize(
      json::object{{"openapi", "3.1.0"},
                   {"info", {{"title", "Hearth"}, {"version", "0"}, {"description", kAbout}}},
                   {"paths", std::move(paths)},
                   {"components", components()}});
}

}  // namespace hearth::api
