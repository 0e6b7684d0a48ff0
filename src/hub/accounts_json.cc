#include "hub/accounts_json.h"

namespace hearth::hub {
namespace {

json::array texts_to_json(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

std::vector<std::string> texts_from_json(const json::object& object, std::string_view key) {
  std::vector<std::string> texts;
  const json::array* array = get_array(object, key);
  if (!array) {
    if (find(object, key)) {
      throw Error(ErrorKind::kInvalid, "'" + std::string(key) + "' must be a list of permissions.");
    }
    return texts;
  }
  for (const json::value& value : *array) {
    if (!value.is_string()) {
      throw Error(ErrorKind::kInvalid, "'" + std::string(key) + "' must be a list of permissions.");
    }
    texts.emplace_back(as_view(value.get_string()));
  }
  return texts;
}

bool is_entity_type(std::string_view type) {
  return type == "user" || type == "org" || type == "model" || type == "dataset" || type == "space";
}

}  // namespace

json::object to_json(const TokenScopes& scopes) {
  json::object object;
  object["canReadGatedRepos"] = scopes.can_read_gated_repos;
  object["global"] = texts_to_json(scopes.global_permissions);
  json::array scoped;
  for (const TokenScope& scope : scopes.scopes) {
    json::object entity;
    entity["_id"] = scope.entity_id;
    entity["type"] = scope.entity_type;
    entity["name"] = scope.entity_name;
    json::object entry;
    entry["entity"] = std::move(entity);
    entry["permissions"] = texts_to_json(scope.permissions);
    scoped.emplace_back(std::move(entry));
  }
  object["scoped"] = std::move(scoped);
  return object;
}

TokenScopes token_scopes_from_json(const json::object& object) {
  TokenScopes scopes;
  scopes.can_read_gated_repos = get_bool(object, "canReadGatedRepos").value_or(false);
  scopes.global_permissions = texts_from_json(object, "global");
  const json::array* scoped = get_array(object, "scoped");
  if (!scoped) return scopes;
  for (const json::value& value : *scoped) {
    const json::object* entry = value.if_object();
    const json::object* entity = entry ? get_object(*entry, "entity") : nullptr;
    if (!entity) throw Error(ErrorKind::kInvalid, "Each scope has an 'entity'.");
    TokenScope scope;
    scope.entity_type = require_string(*entity, "type");
    if (!is_entity_type(scope.entity_type)) {
      throw Error(ErrorKind::kInvalid,
                  "The entity of a scope is a user, org, model, dataset or space.");
    }
    scope.entity_id = get_string(*entity, "_id").value_or("");
    scope.entity_name = get_string(*entity, "name").value_or("");
    scope.permissions = texts_from_json(*entry, "permissions");
    scopes.scopes.push_back(std::move(scope));
  }
  return scopes;
}

}  // namespace hearth::hub
