#pragma once
// The OpenAPI document of this hub: what the rows say (api.h), with the schemas of src/api/schemas.

#include <string>
#include <string_view>
#include <vector>

#include "api/api.h"

namespace hearth::api {

inline constexpr std::string_view kAbout =
    "One path stands for several where a repository's type is a parameter; a parameter with "
    "x-rest-of-path holds slashes. GET answers HEAD too. Documented operations that are not built "
    "answer 501 and stand in docs/routes.md only.";

/// One of the bodies that a row names.
struct BodyType {
  std::string_view media_type;
  std::string_view schema;  // A name in components/schemas; empty: bytes or text.
};
/// Reads Route::request, answer or refusal; empty for "none" and for nothing.
std::vector<BodyType> body_types(std::string_view text);

/// components/schemas: all of src/api/schemas, by name. Their references are of OpenAPI's form.
json::object schemas();

/// OpenAPI 3.1 of every built row, as JSON text. Source of its place: the hosted hub has
/// /.well-known/openapi.json (hub-api section 11).
std::string openapi_json();

}  // namespace hearth::api
