#include "pages/pages.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "pages/site_data.h"

// From site_pack.S, which web/pack.mjs writes.
extern "C" const char hearth_site_pack[];

namespace hearth::pages {
namespace {

std::string_view bytes_of(PackedBytes bytes) {
  return {hearth_site_pack + bytes.offset_bytes, bytes.size_bytes};
}

const std::vector<Asset>& assets() {
  static const std::vector<Asset> all = [] {
    std::vector<Asset> made;
    for (const PackedFile& file : packed_files()) {
      made.push_back({.path = file.path,
                      .content_type = file.content_type,
                      .hash = file.hash,
                      .is_immutable = file.is_immutable,
                      .plain = bytes_of(file.plain),
                      .gzip = bytes_of(file.gzip),
                      .brotli = bytes_of(file.brotli)});
    }
    return made;
  }();
  return all;
}

}  // namespace

const Asset* find(std::string_view path) {
  const auto found = std::ranges::lower_bound(assets(), path, {}, &Asset::path);
  return found != assets().end() && found->path == path ? &*found : nullptr;
}

const Asset& shell(bool is_signed_in) {
  const Asset* found = find(is_signed_in ? "shell-signed-in.html" : "shell.html");
  HEARTH_ASSERT(found != nullptr, "the site is packed with its shells");
  return *found;
}

}  // namespace hearth::pages
