#include "git/lfs_pointer.h"

#include <algorithm>
#include <charconv>

namespace hearth::git {
namespace {

constexpr std::string_view kVersionLine = "version https://git-lfs.github.com/spec/v1\n";
constexpr std::string_view kOidKey = "oid sha256:";
constexpr std::string_view kSizeKey = "size ";

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::optional<LfsPointer> LfsPointer::parse(std::string_view blob) {
  if (blob.size() > kPointerBytesMax) return std::nullopt;
  if (!take(blob, kVersionLine) || !take(blob, kOidKey) || blob.size() < 65) return std::nullopt;
  LfsPointer pointer;
  pointer.sha256 = blob.substr(0, 64);
  bool is_lower_hex = std::all_of(pointer.sha256.begin(), pointer.sha256.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  blob.remove_prefix(64);
  if (!is_lower_hex || !take(blob, "\n") || !take(blob, kSizeKey)) return std::nullopt;
  if (blob.size() < 2 || blob.back() != '\n') return std::nullopt;
  blob.remove_suffix(1);
  if (blob.size() > 1 && blob.front() == '0') return std::nullopt;
  int64_t size = 0;  // git-lfs keeps sizes in a signed 64-bit number
  auto [end, error] = std::from_chars(blob.data(), blob.data() + blob.size(), size);
  if (error != std::errc() || end != blob.data() + blob.size() || size < 0 || blob[0] == '-') {
    return std::nullopt;
  }
  pointer.size_bytes = static_cast<uint64_t>(size);
  return pointer;
}

std::string LfsPointer::format() const {
  std::string text(kVersionLine);
  text += kOidKey;
  text += sha256;
  text += '\n';
  text += kSizeKey;
  text += std::to_string(size_bytes);
  text += '\n';
  return text;
}

}  // namespace hearth::git
