// The OpenAPI 3.1 document, from the rows themselves. What it says of a row is what the row knows:
// path, parameters, who may, how long a body may be. The shapes of bodies stand in
// openapi_shapes.cc, for the answers that clients read most.

#include "api/openapi.h"

#include "base/text.h"

namespace hearth::api {
namespace {

// What Git LFS wants of its answers.
constexpr std::string_view kLfsJson = "application/vnd.git-lfs+json";

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
        if (name.ends_with('*')) name.remove_suffix(1);
        append(one, name, {{"type", "string"}, {"minLength", 1}});
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
  const Shape* shape = shape_of(route);
  if (route.body_bytes_max > 0) {
    json::object content;
    if (shape != nullptr && !shape->request.empty()) {
      content["application/json"] = {{"schema", json::parse(shape->request)}};
    } else {
      content["*/*"] = json::object{};
    }
    operation["requestBody"] = {{"content", std::move(content)},
                                {"x-bytes-max", route.body_bytes_max}};
  }
  json::object success{{"description", route.summary}};
  if (shape != nullptr && !shape->answer.empty()) {
    json::object answer{{"schema", json::parse(shape->answer)}};
    success["content"] = {{"application/json", answer}, {kLfsJson, answer}};
  }
  operation["responses"] = {{"2XX", std::move(success)},
                            {"3XX", {{"description", "Moved, not changed, or go on there."}}},
                            {"4XX", reference("responses/Error")},
                            {"501", reference("responses/Error")},
                            {"503", reference("responses/Error")},
                            {"507", reference("responses/Error")}};
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
  json::object error{{"type", "object"},
                     {"required", json::array{"error"}},
                     {"properties", {{"error", {{"type", "string"}, {"minLength", 1}}}}}};
  json::object text{{"schema", {{"type", "string"}}}};
  json::object answer{
      {"description",
       "What is wrong and what to do, as a sentence. A browser's pages answer with HTML."},
      {"headers", {{"X-Error-Code", text}, {"X-Error-Message", text}, {"X-Request-Id", text}}},
      {"content",
       {{"application/json", {{"schema", reference("schemas/Error")}}},
        {kLfsJson, json::object{}},
        {"text/html", json::object{}},
        {"text/plain", json::object{}}}}};
  return {{"schemas", {{"Error", std::move(error)}}},
          {"responses", {{"Error", std::move(answer)}}},
          {"securitySchemes",
           {{"token", {{"type", "http"}, {"scheme", "bearer"}}},
            {"xet", {{"type", "http"}, {"scheme", "bearer"}}}}}};
}

}  // namespace

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
