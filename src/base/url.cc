#include "base/url.h"

#include <charconv>

#include "base/bytes.h"
#include "base/text.h"

namespace hearth {
namespace {

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

std::string decode_form(std::string_view text) {
  std::string spaced(text);
  for (char& c : spaced) {
    if (c == '+') c = ' ';
  }
  return percent_decode(spaced).value_or(spaced);
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    auto byte = from_hex(text.substr(i + 1, 2));
    if (!byte) return std::nullopt;
    out += static_cast<char>((*byte)[0]);
    i += 2;
  }
  return out;
}

std::string percent_encode(std::string_view text, std::string_view safe) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (is_unreserved(c) || safe.find(c) != std::string_view::npos) {
      out += c;
    } else {
      auto byte = static_cast<uint8_t>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

Query::Query(std::string_view text) {
  while (!text.empty()) {
    size_t end = text.find('&');
    std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (pair.empty()) continue;
    size_t equals = pair.find('=');
    std::string key = decode_form(pair.substr(0, equals));
    if (key.ends_with("[]")) key.resize(key.size() - 2);
    items_.emplace_back(std::move(key), equals == std::string_view::npos
                                            ? std::string()
                                            : decode_form(pair.substr(equals + 1)));
  }
}

std::optional<std::string> Query::get(std::string_view key) const {
  for (const auto& [name, value] : items_) {
    if (name == key) return value;
  }
  return std::nullopt;
}

std::vector<std::string> Query::get_all(std::string_view key) const {
  std::vector<std::string> values;
  for (const auto& [name, value] : items_) {
    if (name == key) values.push_back(value);
  }
  return values;
}

bool Query::has(std::string_view key) const {
  return get(key).has_value();
}

bool Query::flag(std::string_view key) const {
  auto value = get(key);
  if (!value) return false;
  std::string lower = to_lower(*value);
  return lower.empty() || lower == "true" || lower == "1";
}

std::optional<uint64_t> Query::number(std::string_view key) const {
  auto value = get(key);
  if (!value || value->empty()) return std::nullopt;
  uint64_t number = 0;
  auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc() || end != value->data() + value->size()) return std::nullopt;
  return number;
}

void Query::set(std::string key, std::string value) {
  remove(key);
  items_.emplace_back(std::move(key), std::move(value));
}

void Query::remove(std::string_view key) {
  std::erase_if(items_, [&](const auto& item) { return item.first == key; });
}

std::string Query::to_string() const {
  std::string out;
  for (const auto& [key, value] : items_) {
    if (!out.empty()) out += '&';
    out += percent_encode(key) + "=" + percent_encode(value);
  }
  return out;
}

std::string html_escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace hearth
