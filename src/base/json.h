#pragma once
// The only door to JSON: Boost.JSON, with the limits and getters that handlers need.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "base/error.h"

namespace hearth {

namespace json = boost::json;

struct JsonLimits {
  size_t depth_max = 64;  // Deeper documents are refused, not followed.
};

/// Parses one document. Never throws on input; fuzzed.
Parsed<json::value> parse_json(std::string_view text, JsonLimits limits = {});

/// The object in a request body, or Error{kInvalid} that says what is wrong with it.
json::object parse_json_object(std::string_view text, JsonLimits limits = {});

/// The member if it is there and of that type; null counts as absent.
const json::value* find(const json::object& object, std::string_view key);
std::optional<std::string> get_string(const json::object& object, std::string_view key);
std::optional<int64_t> get_int(const json::object& object, std::string_view key);
std::optional<bool> get_bool(const json::object& object, std::string_view key);
const json::object* get_object(const json::object& object, std::string_view key);
const json::array* get_array(const json::object& object, std::string_view key);

/// For requests: absent and null are nothing, another type is Error{kInvalid} that names the field.
/// `"private": "true"` must not make something public.
std::optional<std::string> optional_string(const json::object& object, std::string_view key);
std::optional<int64_t> optional_int(const json::object& object, std::string_view key);
std::optional<bool> optional_bool(const json::object& object, std::string_view key);

/// As get_string, but absent or of another type is Error{kInvalid} that names the field.
std::string require_string(const json::object& object, std::string_view key);

inline std::string_view as_view(const json::string& text) {
  return {text.data(), text.size()};
}

}  // namespace hearth
