#include "base/bytes.h"

#include <array>
#include <cerrno>
#include <ctime>

#include <sys/random.h>

#include "base/error.h"

namespace hearth {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string encode64(ByteView bytes, std::string_view alphabet, bool pad) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    size_t left = bytes.size() - i;
    uint32_t group = uint32_t{bytes[i]} << 16;
    if (left > 1) group |= uint32_t{bytes[i + 1]} << 8;
    if (left > 2) group |= bytes[i + 2];
    out += alphabet[group >> 18];
    out += alphabet[(group >> 12) & 63];
    if (left > 1)
      out += alphabet[(group >> 6) & 63];
    else if (pad)
      out += '=';
    if (left > 2)
      out += alphabet[group & 63];
    else if (pad)
      out += '=';
  }
  return out;
}

std::array<int8_t, 256> reverse_of(std::string_view alphabet) {
  std::array<int8_t, 256> table;
  table.fill(-1);
  for (size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<uint8_t>(alphabet[i])] = static_cast<int8_t>(i);
  }
  return table;
}

std::optional<Bytes> decode64(std::string_view text, const std::array<int8_t, 256>& reverse) {
  size_t padding = 0;
  while (!text.empty() && text.back() == '=' && padding < 2) {
    text.remove_suffix(1);
    ++padding;
  }
  if (text.size() % 4 == 1) return std::nullopt;
  if (padding != 0 && (text.size() + padding) % 4 != 0) return std::nullopt;
  Bytes out;
  out.reserve(text.size() * 3 / 4);
  uint32_t group = 0;
  int bits = 0;
  for (char c : text) {
    int8_t value = reverse[static_cast<uint8_t>(c)];
    if (value < 0) return std::nullopt;
    group = (group << 6) | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<uint8_t>(group >> bits));
      group &= (1u << bits) - 1;
    }
  }
  if (group != 0) return std::nullopt;  // Stray bits: not what an encoder writes.
  return out;
}

}  // namespace

std::string to_hex(ByteView bytes) {
  std::string out(bytes.size() * 2, '0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    out[2 * i] = kHexDigits[bytes[i] >> 4];
    out[2 * i + 1] = kHexDigits[bytes[i] & 15];
  }
  return out;
}

std::optional<Bytes> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  Bytes out(hex.size() / 2);
  for (size_t i = 0; i < out.size(); ++i) {
    int high = hex_value(hex[2 * i]);
    int low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return out;
}

bool is_hex(std::string_view text) {
  for (char c : text) {
    if (hex_value(c) < 0) return false;
  }
  return !text.empty();
}

bool is_sha256_hex(std::string_view text) {
  return text.size() == 64 && is_hex(text);
}

std::string to_base64(ByteView bytes) {
  return encode64(bytes, kBase64, true);
}
std::optional<Bytes> from_base64(std::string_view text) {
  static const auto kReverse = reverse_of(kBase64);
  return decode64(text, kReverse);
}
std::string to_base64url(ByteView bytes) {
  return encode64(bytes, kBase64Url, false);
}
std::optional<Bytes> from_base64url(std::string_view text) {
  static const auto kReverse = reverse_of(kBase64Url);
  return decode64(text, kReverse);
}

Bytes random_bytes(size_t count) {
  Bytes out(count);
  size_t done = 0;
  while (done < count) {
    ssize_t n = getrandom(out.data() + done, count - done, 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_errno("getrandom", errno);
    }
    done += static_cast<size_t>(n);
  }
  return out;
}

std::string random_alphanumeric(size_t length) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string out;
  while (out.size() < length) {
    for (uint8_t byte : random_bytes(length)) {
      if (byte >= 248) continue;  // 248 = 4 * 62: the rest would favour the first letters.
      out += kAlphabet[byte % 62];
      if (out.size() == length) break;
    }
  }
  return out;
}

std::string new_object_id() {
  auto seconds = static_cast<uint32_t>(std::time(nullptr));
  Bytes id = {static_cast<uint8_t>(seconds >> 24), static_cast<uint8_t>(seconds >> 16),
              static_cast<uint8_t>(seconds >> 8), static_cast<uint8_t>(seconds)};
  Bytes tail = random_bytes(8);
  id.insert(id.end(), tail.begin(), tail.end());
  return to_hex(id);
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<uint8_t>(a[i]) ^ static_cast<uint8_t>(b[i]);
  }
  return difference == 0;
}

}  // namespace hearth
