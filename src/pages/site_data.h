#pragma once
// What web/pack.mjs writes: where each file of the site stands in the pack.

#include <cstddef>
#include <span>
#include <string_view>

namespace hearth::pages {

struct PackedBytes {
  size_t offset_bytes = 0;
  size_t size_bytes = 0;  // 0: there is no such encoding.
};

struct PackedFile {
  std::string_view path;
  std::string_view content_type;
  std::string_view hash;
  bool is_immutable = false;
  PackedBytes plain;
  PackedBytes gzip;
  PackedBytes brotli;
};

/// Sorted by path.
std::span<const PackedFile> packed_files();

}  // namespace hearth::pages
