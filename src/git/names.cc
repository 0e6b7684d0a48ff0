#include "git/names.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"

namespace hearth::git {
namespace {

/// Length in bytes of a code point that HFS+ drops when it compares names, or 0. All of them are
/// three bytes long in UTF-8. Source: Apple TN1150, as git's fsck applies it.
size_t hfs_ignored_bytes(std::string_view text) {
  if (text.size() < 3) return 0;
  auto a = static_cast<uint8_t>(text[0]);
  auto b = static_cast<uint8_t>(text[1]);
  auto c = static_cast<uint8_t>(text[2]);
  uint32_t code = (a & 0x0Fu) << 12 | (b & 0x3Fu) << 6 | (c & 0x3Fu);
  if ((a & 0xF0) != 0xE0) return 0;
  bool ignored = (code >= 0x200C && code <= 0x200F) || (code >= 0x202A && code <= 0x202E) ||
                 (code >= 0x206A && code <= 0x206F) || code == 0xFEFF;
  return ignored ? 3 : 0;
}

/// Whether a file system could take this segment for ".git".
bool is_dot_git(std::string_view segment) {
  std::string plain;
  for (size_t i = 0; i < segment.size();) {
    size_t skip = hfs_ignored_bytes(segment.substr(i));
    if (skip == 0) plain += segment[i++];
    i += skip;
  }
  plain = to_lower(plain);
  // NTFS: the short name of .git, trailing dots and spaces do not count, ':' begins a stream.
  std::string_view rest;
  if (plain.starts_with(".git")) {
    rest = std::string_view(plain).substr(4);
  } else if (plain.starts_with("git~1")) {
    rest = std::string_view(plain).substr(5);
  } else {
    return false;
  }
  size_t end = rest.find_first_not_of(". ");
  return end == std::string_view::npos || rest[end] == ':';
}

std::optional<std::string> why_bad_segment(std::string_view segment) {
  if (segment.empty()) return "it has an empty segment";
  if (segment == "." || segment == "..") return "it has a '.' or '..' segment";
  if (is_dot_git(segment)) return "it has a segment that reads as '.git'";
  if (segment.size() > kPathPartBytesMax) return "a segment is longer than 255 bytes";
  return std::nullopt;
}

/// The rules of git check-ref-format for what follows "refs/x/".
std::optional<std::string> why_bad_ref_part(std::string_view name) {
  if (name.empty()) return "a name must not be empty";
  if (name.size() > kRefNameBytesMax) return "a name must not be longer than 255 bytes";
  if (!is_utf8(name)) return "a name must be valid UTF-8";
  if (has_control_characters(name)) return "a name must not have control characters";
  if (name.find_first_of(" ~^:?*[\\") != std::string_view::npos) {
    return "a name must not have spaces or any of ~ ^ : ? * [ \\";
  }
  if (name.find("..") != std::string_view::npos) return "a name must not have '..'";
  if (name.find("@{") != std::string_view::npos) return "a name must not have '@{'";
  if (name == "@") return "a name must not be '@'";
  if (name.back() == '.') return "a name must not end with '.'";
  for (std::string_view segment : split(name, '/')) {
    if (segment.empty()) return "a name must not begin or end with '/', or have '//'";
    if (segment.front() == '.') return "a part of a name must not begin with '.'";
    if (segment.ends_with(".lock")) return "a part of a name must not end with '.lock'";
    if (segment.size() > kRefPartBytesMax) return "a part of a name is too long";
  }
  return std::nullopt;
}

std::optional<std::string> why_bad_short_name(std::string_view name) {
  if (auto why = why_bad_ref_part(name)) return why;
  if (name.front() == '-') return "a name must not begin with '-'";
  if (name == "HEAD") return "'HEAD' is reserved";
  if (name == "refs" || name.starts_with("refs/")) return "'refs/' is reserved";
  if (name.size() == 40 && is_hex(name)) return "a name must not look like a commit id";
  return std::nullopt;
}

}  // namespace

Parsed<RepoPath> RepoPath::parse(std::string_view text, TrailingSlash slash) {
  if (slash == TrailingSlash::kDrop && text.size() > 1 && text.ends_with('/')) {
    text.remove_suffix(1);
  }
  if (text.empty()) return parse_error("a path must not be empty");
  if (text.size() > kPathBytesMax) return parse_error("a path must not be longer than 1024 bytes");
  if (text.front() == '/') return parse_error("a path must not begin with '/'");
  if (!is_utf8(text)) return parse_error("a path must be valid UTF-8");
  if (has_control_characters(text)) return parse_error("a path must not have control characters");
  if (size_t at = text.find('\\'); at != std::string_view::npos) {
    return parse_error("a path must not have backslashes", at);
  }
  size_t offset = 0;
  for (std::string_view segment : split(text, '/')) {
    if (auto why = why_bad_segment(segment)) return parse_error(*why, offset);
    offset += segment.size() + 1;
  }
  return RepoPath(std::string(text));
}

RepoPath RepoPath::require(std::string_view text, TrailingSlash slash) {
  Parsed<RepoPath> path = parse(text, slash);
  if (path) return std::move(*path);
  std::string shown = is_utf8(text) && !has_control_characters(text)
                          ? std::string(cut_utf8(text, 200))
                          : std::string("(not printable)");
  throw Error(ErrorKind::kUnprocessable,
              "Invalid path in repo: " + shown + " (" + path.error().message + ").");
}

std::string_view RepoPath::name() const {
  size_t at = text_.rfind('/');
  return at == std::string::npos ? std::string_view(text_) : std::string_view(text_).substr(at + 1);
}

std::string_view RepoPath::parent() const {
  size_t at = text_.rfind('/');
  return at == std::string::npos ? std::string_view() : std::string_view(text_).substr(0, at);
}

std::optional<std::string> why_bad_branch_name(std::string_view name) {
  return why_bad_short_name(name);
}

std::optional<std::string> why_bad_tag_name(std::string_view name) {
  return why_bad_short_name(name);
}

std::optional<std::string> why_bad_ref_name(std::string_view full_name) {
  for (std::string_view prefix : {kBranchPrefix, kTagPrefix}) {
    if (full_name.starts_with(prefix)) return why_bad_short_name(full_name.substr(prefix.size()));
  }
  if (full_name.starts_with(kPullRequestPrefix)) {
    std::string_view number = full_name.substr(kPullRequestPrefix.size());
    bool digits =
        !number.empty() && number.size() <= 9 && number.front() != '0' &&
        std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits) return std::nullopt;
    return "a pull request's ref is refs/pr/ and its number";
  }
  if (full_name.starts_with(kConvertPrefix)) {
    return why_bad_ref_part(full_name.substr(kConvertPrefix.size()));
  }
  return "only refs/heads/, refs/tags/, refs/pr/ and refs/convert/ are kept here";
}

}  // namespace hearth::git
