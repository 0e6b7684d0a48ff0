#pragma once
// The doors for names that strangers choose: paths inside repositories, and refs.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace hearth::git {

constexpr uint64_t kPathBytesMax = 1024;
/// A file name holds 255 bytes on the file systems that clones are made on.
constexpr size_t kPathPartBytesMax = 255;
/// Of what follows "refs/heads/" and the like.
constexpr size_t kRefNameBytesMax = 255;
/// A file name holds 255 bytes, and git appends ".lock".
constexpr size_t kRefPartBytesMax = 250;

/// What to do with one slash at the end ("sub/", as clients name folders).
enum class TrailingSlash { kRefuse, kDrop };

/// A path inside a repository, checked. The only way to make one from text is parse().
///
/// Refused: the empty path, a leading slash, empty segments, "." and "..", backslashes, control
/// characters, invalid UTF-8, more than kPathBytesMax bytes, and every spelling of ".git" that some
/// file system takes for it: any case, with HFS-ignored code points, NTFS forms (`git~1`, trailing
/// dots and spaces, `.git:stream`). Checking out such a path could overwrite a clone's own
/// configuration (CVE-2014-9390, CVE-2019-1352). Also what `git` itself refuses in an index.
class RepoPath {
 public:
  static Parsed<RepoPath> parse(std::string_view text,
                                TrailingSlash slash = TrailingSlash::kRefuse);
  /// As parse; throws Error{kUnprocessable} that names the path (hub-api 2.3).
  static RepoPath require(std::string_view text, TrailingSlash slash = TrailingSlash::kRefuse);

  const std::string& text() const { return text_; }
  /// "c.txt" of "a/b/c.txt".
  std::string_view name() const;
  /// "a/b" of "a/b/c.txt"; empty at the top.
  std::string_view parent() const;

  auto operator<=>(const RepoPath&) const = default;

 private:
  explicit RepoPath(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// Why `name` ("feat/x", without "refs/heads/") cannot be a branch; nothing when it can.
/// Rules: git check-ref-format; not "HEAD", no "refs/" prefix, no leading '-', not 40 hex digits
/// (hub-api 4.2), UTF-8, at most 255 bytes.
std::optional<std::string> why_bad_branch_name(std::string_view name);
/// The same for a tag; 40 hex digits are refused too.
std::optional<std::string> why_bad_tag_name(std::string_view name);
/// Why a full name ("refs/heads/main") is none that this hub stores. Only refs/heads/, refs/tags/,
/// refs/pr/<n> and refs/convert/ exist.
std::optional<std::string> why_bad_ref_name(std::string_view full_name);

constexpr std::string_view kBranchPrefix = "refs/heads/";
constexpr std::string_view kTagPrefix = "refs/tags/";
constexpr std::string_view kPullRequestPrefix = "refs/pr/";
constexpr std::string_view kConvertPrefix = "refs/convert/";

}  // namespace hearth::git
