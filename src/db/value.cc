#include "base/json.h"
#include "base/text.h"
#include "db/db.h"
#include "db/engines.h"

namespace hearth::db {
namespace {

[[noreturn]] void wrong_column(size_t column, const char* expected) {
  throw Error(ErrorKind::kInternal, "The database gave an unexpected answer.",
              {.detail = "column " + std::to_string(column) + " is not " + expected});
}

}  // namespace

void Value::throw_too_large() {
  throw Error(ErrorKind::kInvalid, "A number is too large to be stored.");
}

const Value& Row::at(size_t column) const {
  if (column >= values_.size()) wrong_column(column, "there");
  return values_[column];
}

int64_t Row::get_int(size_t column) const {
  const int64_t* number = at(column).as_int();
  if (!number) wrong_column(column, "an integer");
  return *number;
}

const std::string& Row::get_text(size_t column) const {
  const std::string* text = at(column).as_text();
  if (!text) wrong_column(column, "a text");
  return *text;
}

const Bytes& Row::get_blob(size_t column) const {
  const Bytes* bytes = at(column).as_blob();
  if (!bytes) wrong_column(column, "bytes");
  return *bytes;
}

std::optional<int64_t> Row::get_optional_int(size_t column) const {
  if (is_null(column)) return std::nullopt;
  return get_int(column);
}

std::optional<std::string> Row::get_optional_text(size_t column) const {
  if (is_null(column)) return std::nullopt;
  return get_text(column);
}

std::optional<Bytes> Row::get_optional_blob(size_t column) const {
  if (is_null(column)) return std::nullopt;
  return get_blob(column);
}

Value in_list(const std::vector<std::string>& texts) {
  json::array array;
  array.reserve(texts.size());
  for (const std::string& text : texts) {
    check_storable(text);  // A NUL would be hidden inside the JSON's escapes.
    array.emplace_back(json::string(text));
  }
  return json::serialize(array);
}

Value in_list(const std::vector<int64_t>& numbers) {
  json::array array;
  array.reserve(numbers.size());
  for (int64_t number : numbers) array.emplace_back(number);
  return json::serialize(array);
}

void check_storable(std::string_view text) {
  if (text.find('\0') != std::string_view::npos || !is_utf8(text)) {
    throw Error(ErrorKind::kInvalid, "Text must be valid UTF-8 without NUL characters.");
  }
}

}  // namespace hearth::db
