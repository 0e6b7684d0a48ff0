#pragma once
// URLs: percent coding and queries.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth {

/// Nothing on a broken escape ("%2", "%zz"). '+' stays '+'.
std::optional<std::string> percent_decode(std::string_view text);
/// Leaves [A-Za-z0-9-_.~] and the characters of `safe`.
std::string percent_encode(std::string_view text, std::string_view safe = "");

/// A query string or a form body, in order. Broken escapes are kept as they stand.
///
/// Clients write lists as `expand=a&expand=b`, `expand[]=a` and `expand%5B%5D=a`: the brackets
/// are dropped, so all three are the same list (hub-api trap 10). '+' is a space.
class Query {
 public:
  Query() = default;
  explicit Query(std::string_view text);

  std::optional<std::string> get(std::string_view key) const;
  std::vector<std::string> get_all(std::string_view key) const;
  bool has(std::string_view key) const;
  /// "true", "1", "True", and a bare key are true.
  bool flag(std::string_view key) const;
  /// A non-negative decimal number; nothing when absent or not one.
  std::optional<uint64_t> number(std::string_view key) const;

  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }
  void set(std::string key, std::string value);
  void remove(std::string_view key);
  /// Removes all whose key `is_wanted` does not hold for.
  template <typename Predicate>
  void keep_if(Predicate is_wanted) {
    std::erase_if(items_, [&](const auto& item) { return !is_wanted(item.first); });
  }
  std::string to_string() const;

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

/// Plain text as HTML text or attribute value.
std::string html_escape(std::string_view text);

}  // namespace hearth
