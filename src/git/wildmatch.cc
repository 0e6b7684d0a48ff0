#include "git/wildmatch.h"

#include <algorithm>
#include <cctype>

namespace hearth::git::internal {
namespace {

using Set = std::bitset<256>;

/// Adds the bytes of a named class ("alpha"); false for a name that is none.
bool add_named_class(std::string_view name, Set& set) {
  struct Named {
    std::string_view name;
    int (*is)(int);
  };
  static constexpr Named kNamed[] = {{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank},
                                     {"cntrl", iscntrl}, {"digit", isdigit}, {"graph", isgraph},
                                     {"lower", islower}, {"print", isprint}, {"punct", ispunct},
                                     {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit}};
  for (const Named& named : kNamed) {
    if (named.name != name) continue;
    for (int byte = 0; byte < 128; ++byte) {
      if (named.is(byte) != 0) set.set(static_cast<size_t>(byte));
    }
    return true;
  }
  return false;
}

}  // namespace

Glob::Glob(std::string_view pattern, Slash slash) : slash_(slash) {
  size_t wild = pattern.find_first_of("*?[\\");
  if (wild == std::string_view::npos) {
    shape_ = Shape::kLiteral;
    literal_prefix_ = pattern;
    return;
  }
  if (slash == Slash::kOrdinary && pattern.front() == '*' &&
      pattern.find_first_of("*?[\\", 1) == std::string_view::npos) {
    shape_ = Shape::kSuffix;
    literal_suffix_ = pattern.substr(1);
    return;
  }
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '\\') {
      if (++i == pattern.size()) return;  // a lone backslash at the end matches nothing
      tokens_.push_back({.kind = Kind::kByte, .byte = static_cast<uint8_t>(pattern[i])});
    } else if (c == '?') {
      tokens_.push_back({.kind = Kind::kAny});
    } else if (c == '[') {
      if (!parse_set(pattern, i)) return;
    } else if (c == '*') {
      size_t begin = i;
      while (i + 1 < pattern.size() && pattern[i + 1] == '*') ++i;
      std::string_view rest = pattern.substr(i + 1);
      bool alone = begin != i && (begin == 0 || pattern[begin - 1] == '/') &&
                   (rest.empty() || rest.front() == '/' || rest.starts_with("\\/"));
      Token star{.kind = alone || slash == Slash::kOrdinary ? Kind::kStarStar : Kind::kStar};
      if (alone && slash == Slash::kSeparator && rest.starts_with('/')) star.skip = 2;
      tokens_.push_back(star);
    } else {
      tokens_.push_back({.kind = Kind::kByte, .byte = static_cast<uint8_t>(c)});
    }
  }
  shape_ = Shape::kGeneral;
  literal_prefix_ = pattern.substr(0, wild);
}

/// Reads `[…]` that begins at `at` and leaves `at` on its last character. False when it is broken:
/// such a pattern matches nothing.
bool Glob::parse_set(std::string_view pattern, size_t& at) {
  auto peek = [&](size_t i) { return i < pattern.size() ? pattern[i] : '\0'; };
  Set set;
  size_t i = at + 1;
  bool negated = peek(i) == '!' || peek(i) == '^';
  if (negated) ++i;
  int previous = -1;  // what a '-' may start from
  bool first = true;
  for (;; ++i) {
    char c = peek(i);
    if (c == '\0') return false;
    if (c == ']' && !first) break;
    first = false;
    if (c == '\\') {
      c = peek(++i);
      if (c == '\0') return false;
      previous = static_cast<uint8_t>(c);
      set.set(static_cast<size_t>(previous));
    } else if (c == '-' && previous > 0 && peek(i + 1) != '\0' && peek(i + 1) != ']') {
      c = peek(++i);
      if (c == '\\') c = peek(++i);
      if (c == '\0') return false;
      for (int byte = previous; byte <= static_cast<uint8_t>(c); ++byte) {
        set.set(static_cast<size_t>(byte));
      }
      previous = -1;
    } else if (c == '[' && peek(i + 1) == ':') {
      size_t end = pattern.find(']', i + 2);
      if (end == std::string_view::npos) return false;
      if (end < i + 3 || pattern[end - 1] != ':') {
        previous = '[';
        set.set('[');
        continue;
      }
      if (!add_named_class(pattern.substr(i + 2, end - i - 3), set)) return false;
      i = end;
      previous = -1;
    } else {
      previous = static_cast<uint8_t>(c);
      set.set(static_cast<size_t>(previous));
    }
  }
  if (negated) set.flip();
  if (slash_ == Slash::kSeparator) set.reset('/');
  at = i;
  tokens_.push_back({.kind = Kind::kSet, .set_index = static_cast<uint32_t>(sets_.size())});
  sets_.push_back(set);
  return true;
}

bool Glob::matches(std::string_view text) const {
  switch (shape_) {
    case Shape::kNever:
      return false;
    case Shape::kLiteral:
      return text == literal_prefix_;
    case Shape::kSuffix:
      return text.ends_with(literal_suffix_);
    case Shape::kGeneral:
      break;
  }
  if (!text.starts_with(literal_prefix_)) return false;

  // now[i]: the tokens before i have matched what was read so far.
  std::vector<uint8_t> now(tokens_.size() + 1), next(tokens_.size() + 1);
  auto close = [&](std::vector<uint8_t>& states) {  // follow the ways that need no byte
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (states[i] == 0) continue;
      const Token& token = tokens_[i];
      if (token.kind == Kind::kStar || token.kind == Kind::kStarStar) states[i + 1] = 1;
    }
  };
  // `**/` that matches nothing: only when it has just been reached, not from inside its star.
  auto enter = [&](std::vector<uint8_t>& states, size_t i) {
    while (true) {
      states[i] = 1;
      if (i >= tokens_.size() || tokens_[i].skip == 0) return;
      i += tokens_[i].skip;
    }
  };
  enter(now, 0);
  close(now);
  for (char c : text) {
    std::fill(next.begin(), next.end(), 0);
    auto byte = static_cast<uint8_t>(c);
    bool any = false;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (now[i] == 0) continue;
      const Token& token = tokens_[i];
      bool is_slash = c == '/' && slash_ == Slash::kSeparator;
      bool advances = false;
      switch (token.kind) {
        case Kind::kByte:
          advances = token.byte == byte;
          break;
        case Kind::kAny:
          advances = !is_slash;
          break;
        case Kind::kSet:
          advances = sets_[token.set_index].test(byte);
          break;
        case Kind::kStar:
          if (!is_slash) next[i] = 1, any = true;
          break;
        case Kind::kStarStar:
          next[i] = 1, any = true;
          break;
      }
      if (advances) {
        enter(next, i + 1);
        any = true;
      }
    }
    if (!any) return false;
    close(next);
    std::swap(now, next);
  }
  return now[tokens_.size()] != 0;
}

}  // namespace hearth::git::internal
