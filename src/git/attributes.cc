#include "git/attributes.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"

namespace hearth::git {
namespace {

constexpr size_t kTextBytesMax = 1u << 20;
constexpr size_t kLineBytesMax = 2048;  // git: ATTR_MAX_LINE_LENGTH, since 2.39.1
constexpr std::string_view kBlank = " \t\r";
constexpr std::string_view kMacroPrefix = "[attr]";
constexpr std::string_view kUtf8Mark = "\xEF\xBB\xBF";

std::string_view first_lines(std::string_view text) {
  if (text.size() <= kTextBytesMax) return text;
  size_t end = text.rfind('\n', kTextBytesMax);
  return text.substr(0, end == std::string_view::npos ? 0 : end);
}

std::string_view skip_blank(std::string_view text) {
  size_t begin = text.find_first_not_of(kBlank);
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

/// Cuts off and returns what stands before the next blank.
std::string_view take_word(std::string_view& text) {
  std::string_view word = text.substr(0, text.find_first_of(kBlank));
  text.remove_prefix(word.size());
  return word;
}

bool is_attribute_name(std::string_view name) {
  if (name.empty() || name.front() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return c == '-' || c == '.' || c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
  });
}

/// A pattern in double quotes with C escapes; nothing when the quoting is broken.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string out;
  for (size_t i = 1; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"') {
      text.remove_prefix(i + 1);
      return out;
    }
    if (c != '\\') {
      out += c;
      continue;
    }
    if (++i >= text.size()) return std::nullopt;
    constexpr std::string_view kLetters = "abfnrtv\\\"";
    constexpr std::string_view kMeaning = "\a\b\f\n\r\t\v\\\"";
    c = text[i];
    if (size_t at = kLetters.find(c); at != std::string_view::npos) {
      out += kMeaning[at];
    } else if (c >= '0' && c <= '3' && i + 2 < text.size()) {
      int value = c - '0';
      for (size_t k = 1; k <= 2; ++k) {
        char digit = text[i + k];
        if (digit < '0' || digit > '7') return std::nullopt;
        value = value * 8 + (digit - '0');
      }
      out += static_cast<char>(value);
      i += 2;
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

/// `attr`, `-attr`, `!attr`, `attr=value` as name and value ("+", "-", "!", "=value").
struct Setting {
  std::string name;
  std::string value;
};

/// Nothing when one of them is malformed: git ignores the whole line then.
std::optional<std::vector<Setting>> parse_settings(std::string_view text) {
  std::vector<Setting> settings;
  for (text = skip_blank(text); !text.empty(); text = skip_blank(text)) {
    std::string_view word = take_word(text);
    std::string_view name = word.substr(0, word.find('='));
    Setting setting;
    if (name.starts_with('-') || name.starts_with('!')) {
      setting.value = name.substr(0, 1);
      name.remove_prefix(1);
    } else if (name.size() < word.size()) {
      setting.value = word.substr(name.size());
    } else {
      setting.value = "+";
    }
    if (!is_attribute_name(name)) return std::nullopt;
    setting.name = name;
    settings.push_back(std::move(setting));
  }
  return settings;
}

struct Line {
  std::string pattern_or_macro;
  bool is_macro = false;
  std::vector<Setting> settings;
};

std::optional<Line> parse_line(std::string_view text) {
  if (text.size() >= kLineBytesMax) return std::nullopt;
  text = skip_blank(text);
  if (text.empty() || text.front() == '#') return std::nullopt;
  // A NUL ends the line for git, whose lines are C strings.
  text = text.substr(0, text.find('\0'));
  Line line;
  std::optional<std::string> quoted;
  std::string_view after_quote = text;
  if (text.starts_with('"')) quoted = take_quoted(after_quote);
  if (quoted) {
    line.pattern_or_macro = *quoted;
    text = after_quote;
  } else {
    line.pattern_or_macro = take_word(text);
  }
  if (line.pattern_or_macro.size() > kMacroPrefix.size() &&
      line.pattern_or_macro.starts_with(kMacroPrefix)) {
    line.is_macro = true;
    line.pattern_or_macro.erase(0, kMacroPrefix.size());
    if (!is_attribute_name(line.pattern_or_macro)) return std::nullopt;
  } else if (line.pattern_or_macro.starts_with('!')) {
    return std::nullopt;  // git warns that negative patterns mean nothing here
  }
  std::optional<std::vector<Setting>> settings = parse_settings(text);
  if (!settings) return std::nullopt;
  line.settings = std::move(*settings);
  return line;
}

}  // namespace

namespace internal {

Pattern::Pattern(std::string_view text) {
  if (text.starts_with('!')) {
    negated = true;
    text.remove_prefix(1);
  }
  if (text.ends_with('/')) {
    only_directories = true;
    text.remove_suffix(1);
  }
  base_name_only = text.find('/') == std::string_view::npos;
  if (text.starts_with('/')) text.remove_prefix(1);
  if (!base_name_only) {
    // git compares what stands before the first wildcard by itself and then begins anew (dir.c,
    // match_pathname): so in "a**" the stars are at a beginning, and match slashes.
    begin = text.substr(0, text.find_first_of("*?[\\"));
    text.remove_prefix(begin.size());
  }
  glob = Glob(text, base_name_only ? Glob::Slash::kOrdinary : Glob::Slash::kSeparator);
}

bool Pattern::matches(std::string_view path, bool is_directory) const {
  if (only_directories && !is_directory) return false;
  if (base_name_only) {
    size_t at = path.rfind('/');
    if (at != std::string_view::npos) path.remove_prefix(at + 1);
  }
  if (!path.starts_with(begin)) return false;
  return glob.matches(path.substr(begin.size()));
}

}  // namespace internal

Attributes Attributes::parse(std::string_view text) {
  text = first_lines(text);
  if (text.starts_with(kUtf8Mark)) text.remove_prefix(kUtf8Mark.size());
  std::vector<Line> lines;
  for (std::string_view line : split(text, '\n')) {
    if (std::optional<Line> parsed = parse_line(line)) lines.push_back(std::move(*parsed));
  }

  Attributes result;
  result.macros_.emplace_back();
  std::map<std::string, uint32_t, std::less<>> indexes = {{"filter", 0}};
  for (const Line& line : lines) {
    if (!line.is_macro || indexes.contains(line.pattern_or_macro)) continue;
    indexes.emplace(line.pattern_or_macro, static_cast<uint32_t>(result.macros_.size()));
    result.macros_.emplace_back();
  }
  for (const Line& line : lines) {
    std::vector<Assignment> assignments;
    for (const Setting& setting : line.settings) {
      auto known = indexes.find(setting.name);
      if (known == indexes.end()) continue;  // has no bearing on `filter`
      Value value = setting.value == "+"      ? Value::kTrue
                    : setting.value == "-"    ? Value::kFalse
                    : setting.value == "!"    ? Value::kUnset
                    : setting.value == "=lfs" ? Value::kLfs
                                              : Value::kOther;
      assignments.push_back({known->second, value});
    }
    if (line.is_macro) {
      // The last definition counts, for lines before it as well. A macro called "filter" would
      // have to expand itself; git takes the attribute.
      uint32_t index = indexes.find(line.pattern_or_macro)->second;
      if (index != 0) result.macros_[index] = std::move(assignments);
    } else if (!assignments.empty()) {
      result.rules_.push_back({internal::Pattern(line.pattern_or_macro), std::move(assignments)});
    }
  }
  return result;
}

bool Attributes::is_lfs(std::string_view path) const {
  // From the last line to the first, and in a line from right to left, the first word about an
  // attribute decides it. A macro that is thereby set opens its own assignments at that point.
  std::vector<bool> decided(macros_.size());
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    bool has_news = std::any_of(rule->assignments.begin(), rule->assignments.end(),
                                [&](const Assignment& a) { return !decided[a.attribute]; });
    if (!has_news || !rule->pattern.matches(path, /*is_directory=*/false)) continue;
    std::vector<Assignment> stack = rule->assignments;
    while (!stack.empty()) {
      Assignment assignment = stack.back();
      stack.pop_back();
      if (decided[assignment.attribute]) continue;
      decided[assignment.attribute] = true;
      if (assignment.attribute == 0) return assignment.value == Value::kLfs;
      if (assignment.value != Value::kTrue) continue;
      const std::vector<Assignment>& inside = macros_[assignment.attribute];
      stack.insert(stack.end(), inside.begin(), inside.end());
    }
  }
  return false;
}

Ignore Ignore::parse(std::string_view text) {
  text = first_lines(text);
  if (text.starts_with(kUtf8Mark)) text.remove_prefix(kUtf8Mark.size());
  Ignore result;
  for (std::string_view line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = line.substr(0, line.find('\0'));
    if (line.starts_with('#')) continue;
    // Blanks at the end do not count unless the first of them is escaped.
    size_t end = 0;
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] == ' ') continue;
      if (line[i] == '\\') ++i;
      end = std::min(i + 1, line.size());
    }
    line = line.substr(0, end);
    if (!line.empty()) result.patterns_.emplace_back(line);
  }
  return result;
}

Ignore::Verdict Ignore::verdict(std::string_view path, bool is_directory) const {
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (!pattern->matches(path, is_directory)) continue;
    return pattern->negated ? Verdict::kKept : Verdict::kIgnored;
  }
  return Verdict::kNone;
}

bool Ignore::matches(std::string_view path) const {
  for (size_t at = path.find('/'); at != std::string_view::npos; at = path.find('/', at + 1)) {
    // What is in an ignored folder cannot be taken back by a later line.
    if (verdict(path.substr(0, at), /*is_directory=*/true) == Verdict::kIgnored) return true;
  }
  return verdict(path, /*is_directory=*/false) == Verdict::kIgnored;
}

}  // namespace hearth::git
