#pragma once
// Glob patterns as git matches them.

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::git::internal {

/// A compiled pattern. Matching takes time pattern x text at most, whatever the pattern: the
/// pattern is run as an automaton, not by trying (a recursive matcher needs exponential time for
/// `*a*a*a*a*b`).
class Glob {
 public:
  enum class Slash {
    kOrdinary,   // `*` matches '/' as well
    kSeparator,  // only `**` between slashes does; `?` and classes never
  };

  Glob() = default;
  Glob(std::string_view pattern, Slash slash);
  bool matches(std::string_view text) const;

 private:
  enum class Kind : uint8_t { kByte, kAny, kSet, kStar, kStarStar };
  struct Token {
    Kind kind;
    uint8_t byte = 0;
    uint32_t set_index = 0;
    uint8_t skip = 0;  // `**/` may match nothing: the state this many tokens on is reached as well
  };

  bool parse_set(std::string_view pattern, size_t& at);

  std::vector<Token> tokens_;
  std::vector<std::bitset<256>> sets_;
  std::string literal_prefix_;  // of the whole pattern when there is no wildcard
  std::string literal_suffix_;  // behind a leading `*`
  enum class Shape : uint8_t { kNever, kLiteral, kSuffix, kGeneral } shape_ = Shape::kNever;
  Slash slash_ = Slash::kOrdinary;
};

}  // namespace hearth::git::internal
