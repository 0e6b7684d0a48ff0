#pragma once
// The OpenAPI document of this hub, and the shapes of the bodies that it names.

#include <span>
#include <string>
#include <string_view>

#include "api/api.h"

namespace hearth::api {

inline constexpr std::string_view kAbout =
    "One path stands for several where a repository's type or the rest of a path is a parameter. "
    "GET answers HEAD too. Documented operations that are not built answer 501 and stand in "
    "docs/routes.md only.";

/// JSON Schemas of a row's JSON bodies; empty where nothing is promised.
struct Shape {
  std::string_view method;
  std::string_view pattern;  // As the row has it.
  std::string_view request;
  std::string_view answer;
};

/// All of them, in the order of the rows.
std::span<const Shape> shapes();
/// The shape of a row, or null.
const Shape* shape_of(const Route& route);
/// OpenAPI 3.1 of every built row, as JSON text. Source of its place: the hosted hub has
/// /.well-known/openapi.json (hub-api section 11).
std::string openapi_json();

}  // namespace hearth::api
