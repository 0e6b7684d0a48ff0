#pragma once
// Git LFS pointers: the small text that stands in git for a large file.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hearth::git {

/// A pointer blob is shorter than this; larger ones are files. Source: git-lfs spec.md ("less than
/// 1024 bytes in size"), git-lfs lfs/pointer.go blobSizeCutoff.
constexpr uint64_t kPointerBytesMax = 1024;

struct LfsPointer {
  std::string sha256;  // 64 lower-case hex digits
  uint64_t size_bytes = 0;

  /// Nothing when `blob` is not a canonical pointer of version 1: exactly the lines version, oid
  /// sha256, size, in this order, each ended by '\n' (extension lines `ext-…` between are refused,
  /// as the hub could not hand out the file that they describe). Never throws; fuzzed.
  static std::optional<LfsPointer> parse(std::string_view blob);
  /// The canonical text; parse(format()) is the same pointer.
  std::string format() const;

  bool operator==(const LfsPointer&) const = default;
};

}  // namespace hearth::git
