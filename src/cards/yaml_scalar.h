#pragma once
// What a YAML 1.1 scalar means, by the rules of PyYAML's SafeLoader.

#include <optional>
#include <string_view>

#include "base/json.h"

namespace hearth::cards {

/// A plain (unquoted) scalar without a tag: null, boolean, integer, floating point, time, or text.
json::value resolve_plain_scalar(std::string_view text);

/// A scalar with a tag of the YAML 1.1 schema ("tag:yaml.org,2002:int", or "!"); nothing when the
/// tag is unknown or the text is no value of it.
std::optional<json::value> construct_scalar(std::string_view tag, std::string_view text);

}  // namespace hearth::cards
