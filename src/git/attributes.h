#pragma once
// .gitattributes and .gitignore of a repository's top folder, matched as git matches them.
//
// Such files in subfolders are not read: clients and preupload know only the one at the top.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "git/wildmatch.h"

namespace hearth::git {

namespace internal {

/// One line's pattern, compiled.
struct Pattern {
  explicit Pattern(std::string_view text);
  /// `path` has no slash at its end.
  bool matches(std::string_view path, bool is_directory) const;

  bool negated = false;           // began with '!'
  bool only_directories = false;  // ended in '/'
  bool base_name_only = false;    // has no '/': matches the last segment of a path
  std::string begin;              // before the first wildcard; empty for base names
  Glob glob;                      // the rest
};

}  // namespace internal

/// The `filter` attribute of paths: which files belong into LFS.
///
/// Later lines win over earlier ones; `-filter`, `!filter`, `filter=x` and macros that the file
/// defines (`[attr]name …`) count. Of a text above 1 MiB only the whole lines of the first MiB are
/// read; lines of 2048 bytes and more are ignored, as git does. Never throws; fuzzed.
/// Cost of is_lfs: at worst the bytes of the text times the bytes of the path.
class Attributes {
 public:
  static Attributes parse(std::string_view text);
  /// Whether `path` has filter=lfs.
  bool is_lfs(std::string_view path) const;

 private:
  enum class Value : uint8_t { kUnset, kTrue, kFalse, kLfs, kOther };
  struct Assignment {
    uint32_t attribute = 0;  // index: 0 is "filter", the others are macros
    Value value = Value::kUnset;
  };
  struct Rule {
    internal::Pattern pattern;
    std::vector<Assignment> assignments;
  };
  std::vector<Rule> rules_;
  std::vector<std::vector<Assignment>> macros_;  // by attribute index; [0] is unused
};

/// Which files a .gitignore excludes. Size limit as for Attributes. Never throws; fuzzed.
class Ignore {
 public:
  static Ignore parse(std::string_view text);
  /// Whether the *file* `path` is ignored, by itself or because one of its folders is.
  bool matches(std::string_view path) const;

 private:
  enum class Verdict { kNone, kIgnored, kKept };
  Verdict verdict(std::string_view path, bool is_directory) const;
  std::vector<internal::Pattern> patterns_;
};

}  // namespace hearth::git
