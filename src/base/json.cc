#include "base/json.h"

namespace hearth {

Parsed<json::value> parse_json(std::string_view text, JsonLimits limits) {
  json::parse_options options;
  options.max_depth = limits.depth_max;
  json::error_code error;
  json::stream_parser parser({}, options);
  size_t consumed = parser.write_some(text.data(), text.size(), error);
  if (!error && consumed < text.size()) {
    // Only white space may follow the document.
    if (text.find_first_not_of(" \t\r\n", consumed) != std::string_view::npos) {
      return parse_error("text after the JSON document", consumed);
    }
  }
  if (!error) parser.finish(error);
  if (error) return parse_error(error.message(), consumed);
  return parser.release();
}

json::object parse_json_object(std::string_view text, JsonLimits limits) {
  auto parsed = parse_json(text, limits);
  if (!parsed) {
    throw Error(ErrorKind::kInvalid, "The body is not valid JSON: " + parsed.error().message +
                                         " at byte " + std::to_string(parsed.error().offset_bytes) +
                                         ".");
  }
  if (!parsed->is_object()) throw Error(ErrorKind::kInvalid, "The body must be a JSON object.");
  return std::move(parsed->as_object());
}

const json::value* find(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(json::string_view(key.data(), key.size()));
  return value != nullptr && !value->is_null() ? value : nullptr;
}

std::optional<std::string> get_string(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(as_view(value->get_string()));
}

std::optional<int64_t> get_int(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  json::error_code error;
  auto number = value->to_number<int64_t>(error);
  if (error) return std::nullopt;
  return number;
}

std::optional<bool> get_bool(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  if (value == nullptr || !value->is_bool()) return std::nullopt;
  return value->get_bool();
}

const json::object* get_object(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  return value != nullptr ? value->if_object() : nullptr;
}

const json::array* get_array(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  return value != nullptr ? value->if_array() : nullptr;
}

namespace {

template <typename T>
std::optional<T> of_that_type(std::optional<T> value, const json::object& object,
                              std::string_view key, const char* type) {
  if (!value && find(object, key) != nullptr) {
    throw Error(ErrorKind::kInvalid, "The field '" + std::string(key) + "' must be " + type + ".");
  }
  return value;
}

}  // namespace

std::optional<std::string> optional_string(const json::object& object, std::string_view key) {
  return of_that_type(get_string(object, key), object, key, "a text");
}

std::optional<int64_t> optional_int(const json::object& object, std::string_view key) {
  return of_that_type(get_int(object, key), object, key, "a whole number");
}

std::optional<bool> optional_bool(const json::object& object, std::string_view key) {
  return of_that_type(get_bool(object, key), object, key, "true or false");
}

std::string require_string(const json::object& object, std::string_view key) {
  auto text = get_string(object, key);
  if (!text)
    throw Error(ErrorKind::kInvalid, "The field '" + std::string(key) + "' must be a text.");
  return std::move(*text);
}

}  // namespace hearth
