#pragma once
// .gitattributes and .gitignore of a repository's top folder, matched as git matches them.

#include <string>
#include <string_view>
#include <vector>

namespace hearth::git {

namespace internal {
/// One line's pattern, taken apart.
struct Pattern {
  std::string text;               // without '!', leading and trailing '/'
  bool negated = false;           // '!': un-ignores
  bool only_directories = false;  // ended in '/'
  bool base_name_only = false;    // no '/' inside: matches the last segment anywhere
};
}  // namespace internal

/// The `filter` attribute of paths: which files belong into LFS.
///
/// Later lines win over earlier ones; `-filter`, `!filter`, `filter=x` and macros defined in the
/// file ([attr]name …) count. Files above 1 MiB and lines above 2048 bytes are ignored, as git does
/// from 2.39.1 on. parse never throws; fuzzed. Cost of is_lfs: patterns x path length.
class Attributes {
 public:
  static Attributes parse(std::string_view text);
  /// Whether `path` has filter=lfs.
  bool is_lfs(std::string_view path) const;

 private:
  struct Rule {
    internal::Pattern pattern;
    bool lfs = false;  // the value that this line gives to `filter`, seen as "is it lfs"
  };
  std::vector<Rule> rules_;
};

/// Which files a .gitignore excludes.
class Ignore {
 public:
  static Ignore parse(std::string_view text);
  /// Whether the *file* `path` is ignored, by itself or because one of its folders is.
  bool matches(std::string_view path) const;

 private:
  bool excluded(std::string_view path, bool is_directory, bool& decided) const;
  std::vector<internal::Pattern> patterns_;
};

}  // namespace hearth::git
