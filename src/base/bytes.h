#pragma once
// Bytes and their text forms.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Lower-case hex.
std::string to_hex(ByteView bytes);
/// Nothing when the length is odd or a digit is not hex. Accepts both cases.
std::optional<Bytes> from_hex(std::string_view hex);
bool is_hex(std::string_view text);
/// Exactly 64 lower- or upper-case hex digits, as in LFS object ids.
bool is_sha256_hex(std::string_view text);

std::string to_base64(ByteView bytes);
/// Standard alphabet; padding optional; whitespace and line breaks are refused.
std::optional<Bytes> from_base64(std::string_view text);
/// URL-safe alphabet without padding.
std::string to_base64url(ByteView bytes);
std::optional<Bytes> from_base64url(std::string_view text);

/// From the kernel's generator. Throws Error{kInternal} when it fails.
Bytes random_bytes(size_t count);
/// `length` characters of [A-Za-z0-9], each from the kernel's generator without bias.
std::string random_alphanumeric(size_t length);
/// 24 hex digits, the clients' object id: 4 bytes of seconds, 8 random bytes.
std::string new_object_id();

/// Time depends on the lengths only.
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace hearth
