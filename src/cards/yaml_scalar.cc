#include "cards/yaml_scalar.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/text.h"
#include "base/time.h"

// PyYAML decides the type of a plain scalar by regular expressions (resolver.py) and its value by a
// constructor per type (constructor.py). Both are done here in one pass a type; the table in
// yaml_table_test.cc was made with PyYAML itself.

namespace hearth::cards {
namespace {

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Reads characters from the front of a text.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_any(std::string_view of) {
    if (at_end() || of.find(text_[at_]) == std::string_view::npos) return false;
    ++at_;
    return true;
  }
  /// The longest run of characters of `of`.
  std::string_view take_run(std::string_view of) {
    size_t begin = at_;
    while (take_any(of)) {
    }
    return text_.substr(begin, at_ - begin);
  }
  std::string_view rest() const { return text_.substr(at_); }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kDigitsOrUnderscore = "0123456789_";

std::string without_underscores(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != '_') out += c;
  }
  return out;
}

/// Digits of a base, with a sign, as int64, else uint64, else double: JSON numbers here have no
/// more room.
json::value integer_value(std::string_view digits, int base, bool negative) {
  uint64_t magnitude = 0;
  auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (error == std::errc() && end == digits.data() + digits.size()) {
    if (!negative && magnitude > static_cast<uint64_t>(INT64_MAX)) return magnitude;
    if (!negative) return static_cast<int64_t>(magnitude);
    if (magnitude <= static_cast<uint64_t>(INT64_MAX)) return -static_cast<int64_t>(magnitude);
    if (magnitude == static_cast<uint64_t>(INT64_MAX) + 1) return INT64_MIN;
  }
  double value = 0;
  for (char c : digits) {
    int digit = is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
    value = value * base + digit;
  }
  if (!std::isfinite(value)) return nullptr;
  return negative ? -value : value;
}

/// `1:30:05`, base 60. The groups after the first have at most two digits, below 60.
std::optional<json::value> sexagesimal(std::string_view text, bool negative) {
  double value = 0;
  bool is_float = false;
  for (std::string_view part : split(text, ':')) {
    double number = 0;
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (part.empty() || error != std::errc() || end != part.data() + part.size()) {
      return std::nullopt;
    }
    if (part.find('.') != std::string_view::npos) is_float = true;
    value = value * 60 + number;
  }
  if (negative) value = -value;
  if (!std::isfinite(value)) return json::value(nullptr);
  if (!is_float && std::abs(value) < 9e15) return json::value(static_cast<int64_t>(value));
  return json::value(value);
}

/// [-+]?0b[0-1_]+ | [-+]?0[0-7_]+ | [-+]?(0|[1-9][0-9_]*) | [-+]?0x… |
/// [-+]?[1-9][0-9_]*(:[0-5]?[0-9])+
std::optional<json::value> match_int(std::string_view text) {
  Cursor cursor(text);
  bool negative = cursor.peek() == '-';
  cursor.take_any("+-");
  std::string_view body = cursor.rest();
  if (body.empty() || !is_digit(body[0])) return std::nullopt;
  auto all_of = [](std::string_view digits, std::string_view of) {
    return !digits.empty() && digits.find_first_not_of(of) == std::string_view::npos;
  };
  if (body == "0") return json::value(0);
  if (body.starts_with("0b") && all_of(body.substr(2), "01_")) {
    std::string digits = without_underscores(body.substr(2));
    return digits.empty() ? std::nullopt : std::optional(integer_value(digits, 2, negative));
  }
  if (body.starts_with("0x") && all_of(body.substr(2), "0123456789abcdefABCDEF_")) {
    std::string digits = without_underscores(body.substr(2));
    return digits.empty() ? std::nullopt : std::optional(integer_value(digits, 16, negative));
  }
  if (body[0] == '0') {
    if (!all_of(body.substr(1), "01234567_")) return std::nullopt;
    return integer_value(without_underscores(body), 8, negative);
  }
  if (all_of(body, kDigitsOrUnderscore)) {
    return integer_value(without_underscores(body), 10, negative);
  }
  Cursor groups(body);
  groups.take_run(kDigitsOrUnderscore);
  if (groups.at_end() || groups.peek() != ':') return std::nullopt;
  while (groups.take(':')) {
    std::string_view group = groups.take_run(kDigits);
    if (group.empty() || group.size() > 2 || (group.size() == 2 && group[0] > '5')) {
      return std::nullopt;
    }
  }
  if (!groups.at_end()) return std::nullopt;
  return sexagesimal(without_underscores(body), negative);
}

std::optional<json::value> decimal_value(std::string_view text, bool negative) {
  std::string digits = without_underscores(text);
  double value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too small is zero, too large has no form in JSON.
    bool tiny = digits.find("e-") != std::string::npos || digits.find("E-") != std::string::npos;
    return tiny ? json::value(0.0) : json::value(nullptr);
  }
  if (error != std::errc()) return std::nullopt;
  return json::value(negative ? -value : value);
}

/// The three forms of PyYAML's float, without .inf and .nan:
/// [-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?  |  \.[0-9][0-9_]*([eE][-+][0-9]+)?  |
/// [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*
std::optional<json::value> match_float(std::string_view text) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return json::value(nullptr);
  Cursor cursor(text);
  bool negative = cursor.peek() == '-';
  bool has_sign = cursor.take_any("+-");
  std::string_view body = cursor.rest();
  if (body == ".inf" || body == ".Inf" || body == ".INF") return json::value(nullptr);
  bool has_whole = is_digit(cursor.peek());
  if (!has_whole && has_sign) return std::nullopt;
  if (has_whole) cursor.take_run(kDigitsOrUnderscore);
  bool is_sexagesimal = false;
  while (has_whole && cursor.take(':')) {
    is_sexagesimal = true;
    std::string_view group = cursor.take_run(kDigits);
    if (group.empty() || group.size() > 2 || (group.size() == 2 && group[0] > '5')) {
      return std::nullopt;
    }
  }
  if (!cursor.take('.')) return std::nullopt;
  if (!has_whole && !is_digit(cursor.peek())) return std::nullopt;
  cursor.take_run(kDigitsOrUnderscore);
  if (is_sexagesimal) {
    if (!cursor.at_end()) return std::nullopt;
    return sexagesimal(without_underscores(body), negative);
  }
  if (cursor.take_any("eE")) {
    if (!cursor.take_any("+-") || cursor.take_run(kDigits).empty()) return std::nullopt;
  }
  if (!cursor.at_end()) return std::nullopt;
  // from_chars knows no '+' in the exponent's place only for the mantissa; "1.e+3" is fine.
  return decimal_value(body, negative);
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar; months count from March so
/// that leap days end the year.
int64_t days_from_civil(int64_t year, int64_t month, int64_t day) {
  if (month <= 2) --year;
  int64_t era = year / 400;
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

int days_in_month(int64_t year, int64_t month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

/// A number of `digits_min` to `digits_max` digits.
std::optional<int64_t> take_number(Cursor& cursor, size_t digits_min, size_t digits_max) {
  int64_t number = 0;
  size_t count = 0;
  while (count < digits_max && is_digit(cursor.peek())) {
    number = number * 10 + (cursor.peek() - '0');
    cursor.take(cursor.peek());
    ++count;
  }
  if (count < digits_min) return std::nullopt;
  return number;
}

/// Dates, and dates with times, as milliseconds since 1970 UTC; without a zone they are UTC.
std::optional<int64_t> match_timestamp(std::string_view text) {
  Cursor cursor(text);
  auto year = take_number(cursor, 4, 4);
  if (!year || !cursor.take('-')) return std::nullopt;
  std::string_view from_month = cursor.rest();
  auto month = take_number(cursor, 1, 2);
  if (!month || !cursor.take('-')) return std::nullopt;
  auto day = take_number(cursor, 1, 2);
  if (!day) return std::nullopt;
  if (*year < 1 || *month < 1 || *month > 12 || *day < 1 || *day > days_in_month(*year, *month)) {
    return std::nullopt;
  }
  int64_t date_ms = days_from_civil(*year, *month, *day) * 86'400'000;
  if (cursor.at_end()) {
    // A date alone needs two digits for month and day.
    return from_month.size() == 5 ? std::optional(date_ms) : std::nullopt;
  }
  if (!cursor.take_any("Tt") && cursor.take_run(" \t").empty()) return std::nullopt;
  auto hour = take_number(cursor, 1, 2);
  if (!hour || !cursor.take(':')) return std::nullopt;
  auto minute = take_number(cursor, 2, 2);
  if (!minute || !cursor.take(':')) return std::nullopt;
  auto second = take_number(cursor, 2, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  int64_t fraction_ms = 0;
  if (cursor.take('.')) {
    std::string digits(cursor.take_run(kDigits).substr(0, 3));
    digits.resize(3, '0');
    fraction_ms = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  }
  int64_t zone_ms = 0;
  cursor.take_run(" \t");
  if (!cursor.take('Z') && !cursor.at_end()) {
    bool west = cursor.peek() == '-';
    if (!cursor.take_any("+-")) return std::nullopt;
    auto zone_hour = take_number(cursor, 1, 2);
    if (!zone_hour) return std::nullopt;
    int64_t zone_minute = 0;
    if (cursor.take(':')) {
      auto minutes = take_number(cursor, 2, 2);
      if (!minutes) return std::nullopt;
      zone_minute = *minutes;
    }
    if (*zone_hour > 23) return std::nullopt;
    zone_ms = (*zone_hour * 60 + zone_minute) * 60'000 * (west ? -1 : 1);
  }
  if (!cursor.at_end()) return std::nullopt;
  return date_ms + *hour * 3'600'000 + *minute * 60'000 + *second * 1'000 + fraction_ms - zone_ms;
}

std::optional<bool> match_bool(std::string_view text) {
  for (std::string_view word : {"yes", "true", "on", "no", "false", "off"}) {
    if (!equals_ignoring_case(text, word)) continue;
    std::string upper(word);
    for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
    std::string title(word);
    title[0] = upper[0];
    if (text != word && text != upper && text != title) return std::nullopt;
    return word == "yes" || word == "true" || word == "on";
  }
  return std::nullopt;
}

bool match_null(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

json::value text_value(std::string_view text) {
  return json::value(json::string_view(text.data(), text.size()));
}

}  // namespace

json::value resolve_plain_scalar(std::string_view text) {
  if (match_null(text)) return nullptr;
  // Nothing else of other kinds is longer; long texts are not looked at twice.
  if (text.size() > 512) return text_value(text);
  if (auto boolean = match_bool(text)) return *boolean;
  if (auto number = match_int(text)) return *number;
  if (auto number = match_float(text)) return *number;
  if (auto time_ms = match_timestamp(text)) return text_value(iso8601_ms(*time_ms));
  return text_value(text);
}

std::optional<json::value> construct_scalar(std::string_view tag, std::string_view text) {
  if (tag == "!") return text_value(text);
  if (!tag.starts_with(kTagPrefix)) return std::nullopt;
  std::string_view type = tag.substr(kTagPrefix.size());
  if (type == "str" || type == "value" || type == "merge") return text_value(text);
  if (type == "null") return json::value(nullptr);
  if (type == "bool") {
    auto boolean = match_bool(text);
    return boolean ? std::optional<json::value>(*boolean) : std::nullopt;
  }
  if (type == "int") return match_int(text);
  if (type == "float") {
    if (auto number = match_float(text)) return number;
    auto whole = match_int(text);
    if (!whole) return std::nullopt;
    return json::value(whole->to_number<double>());
  }
  if (type == "timestamp") {
    auto time_ms = match_timestamp(text);
    return time_ms ? std::optional(text_value(iso8601_ms(*time_ms))) : std::nullopt;
  }
  if (type == "binary") {
    std::string packed;
    for (char c : text) {
      if (c != ' ' && c != '\n' && c != '\t') packed += c;
    }
    auto bytes = from_base64(packed);
    return bytes ? std::optional(text_value(to_base64(*bytes))) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace hearth::cards
