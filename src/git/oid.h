#pragma once
// The name of a git object.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace hearth::git {

/// SHA-1 of an object; all zero means "no object".
struct Oid {
  std::array<uint8_t, 20> bytes{};

  /// From exactly 40 hex digits of either case; nothing otherwise.
  static std::optional<Oid> parse(std::string_view hex);
  /// 40 lower-case hex digits.
  std::string hex() const;
  bool is_zero() const { return *this == Oid{}; }

  auto operator<=>(const Oid&) const = default;
};

/// The tree without entries, known to every git.
constexpr std::string_view kEmptyTreeHex = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
Oid empty_tree_oid();

}  // namespace hearth::git

template <>
struct std::hash<hearth::git::Oid> {
  size_t operator()(const hearth::git::Oid& oid) const noexcept {
    size_t value;  // The bytes are a hash already.
    std::memcpy(&value, oid.bytes.data(), sizeof value);
    return value;
  }
};
