#pragma once
// The site of web/ as bytes in the program: what a browser loads to show the hub to a person. Which
// addresses it answers is decided by the rows of api/page_routes.cc.

#include <string_view>

namespace hearth::pages {

/// One file of the site, with what it is in other encodings. All views live as long as the program.
struct Asset {
  std::string_view path;          // "_app/immutable/entry/start.AbC1.js"
  std::string_view content_type;  // With its charset.
  std::string_view hash;          // Of the plain bytes; for the ETag.
  bool is_immutable =
      false;  // The name holds the hash of the bytes: another content, another name.
  std::string_view plain;
  std::string_view gzip;    // Empty: not worth it.
  std::string_view brotli;  // The same.
};

/// The file at this path, without a slash before it; null: there is none.
const Asset* find(std::string_view path);

/// The document that every page begins with. That of a person who is signed in says so, and the
/// page then asks who it is; strangers spare the request.
const Asset& shell(bool is_signed_in);

}  // namespace hearth::pages
