#include <algorithm>
#include <cmath>
#include <string>

#include "base/text.h"
#include "cards/cards.h"

namespace hearth::cards {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// The length of a line end at `at`: CRLF, CR or LF; 0 when there is none.
size_t line_end_length(std::string_view text, size_t at) {
  if (at >= text.size()) return 0;
  if (text[at] == '\n') return 1;
  if (text[at] != '\r') return 0;
  return at + 1 < text.size() && text[at + 1] == '\n' ? 2 : 1;
}

size_t skip_blank(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (text.substr(at).starts_with(kByteOrderMark)) {
      at += kByteOrderMark.size();
    } else if (std::string_view(" \t\r\n\f\v").find(text[at]) != std::string_view::npos) {
      ++at;
    } else {
      break;
    }
  }
  return at;
}

uint64_t count_lines(std::string_view text) {
  uint64_t count = 0;
  for (size_t at = 0; at < text.size();) {
    size_t length = line_end_length(text, at);
    count += length != 0;
    at += std::max<size_t>(length, 1);
  }
  return count;
}

bool is_space(char c) {
  return std::string_view(" \t\r\n\f\v").find(c) != std::string_view::npos;
}

/// Takes markup out of one line of Markdown. Looks ahead at most kLookAhead bytes for the end of a
/// link or a tag, so that a line of brackets costs no more than its length.
class LineStripper {
 public:
  explicit LineStripper(std::string_view line) : line_(line) {}

  std::string run() {
    while (at_ < line_.size()) step();
    return std::move(out_);
  }

 private:
  static constexpr size_t kLookAhead = 500;

  size_t find_ahead(char c, size_t from) const {
    std::string_view window = line_.substr(0, std::min(line_.size(), from + kLookAhead));
    return window.find(c, from);
  }

  void step() {
    char c = line_[at_];
    if (c == '\\' && at_ + 1 < line_.size() && !is_space(line_[at_ + 1])) {
      out_ += line_[at_ + 1];
      at_ += 2;
      return;
    }
    bool image = c == '!' && at_ + 1 < line_.size() && line_[at_ + 1] == '[';
    if ((c == '[' || image) && take_link(image)) return;
    if (c == '<') {
      size_t end = find_ahead('>', at_);
      if (end != std::string_view::npos && at_ + 1 < line_.size() && !is_space(line_[at_ + 1])) {
        out_ += ' ';
        at_ = end + 1;
        return;
      }
    }
    if (c != '*' && c != '`' && c != '~') out_ += c;
    ++at_;
  }

  /// `[text](target)` leaves text, `![text](target)` leaves nothing.
  bool take_link(bool image) {
    size_t open = at_ + (image ? 1 : 0);
    size_t close = find_ahead(']', open);
    if (close == std::string_view::npos || close + 1 >= line_.size() || line_[close + 1] != '(') {
      return false;
    }
    size_t end = find_ahead(')', close);
    if (end == std::string_view::npos) return false;
    std::string_view text = line_.substr(open + 1, close - open - 1);
    // A picture inside a link: `[![badge](a)](b)`; the inner one ends first.
    if (!image && !text.starts_with("![")) out_ += text;
    at_ = end + 1;
    if (!image && text.starts_with("![") && at_ < line_.size() && line_[at_] == ']') {
      size_t outer = find_ahead(')', at_);
      at_ = outer == std::string_view::npos ? at_ + 1 : outer + 1;
    }
    return true;
  }

  std::string_view line_;
  size_t at_ = 0;
  std::string out_;
};

bool is_table_or_rule(std::string_view line) {
  if (line.starts_with("|")) return true;
  return line.size() >= 3 && line.find_first_not_of("-=*_ ") == std::string_view::npos;
}

void append_folded(std::string& out, std::string_view text, size_t bytes_max) {
  bool space = !out.empty();
  for (char c : text) {
    if (out.size() > bytes_max) return;
    if (is_space(c) || static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
      space = !out.empty();
      continue;
    }
    if (space) out += ' ';
    space = false;
    out += c;
  }
}

}  // namespace

std::optional<RepoKind> parse_repo_kind(std::string_view text) {
  if (text == "model") return RepoKind::kModel;
  if (text == "dataset") return RepoKind::kDataset;
  if (text == "space") return RepoKind::kSpace;
  return std::nullopt;
}

CardParts split_card(std::string_view content) {
  CardParts parts;
  size_t begin = skip_blank(content);
  parts.body = content.starts_with(kByteOrderMark) ? content.substr(3) : content;
  if (!content.substr(begin).starts_with("---")) return parts;
  size_t first_end = line_end_length(content, begin + 3);
  if (first_end == 0) return parts;
  size_t yaml_begin = begin + 3 + first_end;
  for (size_t at = yaml_begin; at < content.size(); ++at) {
    size_t line_end = line_end_length(content, at);
    if (line_end == 0) continue;
    size_t dashes = at + line_end;
    if (!content.substr(dashes).starts_with("---")) continue;
    size_t after = content.find_first_not_of(" \t", dashes + 3);
    if (after == std::string_view::npos) after = content.size();
    size_t last_end = line_end_length(content, after);
    // A lone CR does not end the block: the pattern names CRLF, LF or the end of the text.
    bool ends = after == content.size() || (last_end != 0 && content[after + last_end - 1] == '\n');
    if (!ends) continue;
    parts.has_front_matter = true;
    parts.yaml = content.substr(yaml_begin, at - yaml_begin);
    parts.body = content.substr(after + last_end);
    parts.yaml_line = count_lines(content.substr(0, yaml_begin)) + 1;
    return parts;
  }
  return parts;
}

std::vector<std::string> text_list(const json::value* value) {
  std::vector<std::string> texts;
  if (value == nullptr) return texts;
  auto add = [&texts](const json::value& item) {
    if (const json::string* text = item.if_string()) {
      std::string_view trimmed = trim(as_view(*text));
      if (!trimmed.empty()) texts.emplace_back(trimmed);
    } else if (item.is_bool()) {
      // YAML 1.1 reads the language code `no` as a boolean.
      texts.emplace_back(item.get_bool() ? "yes" : "no");
    } else if (item.is_number() && (!item.is_double() || std::isfinite(item.get_double()))) {
      texts.push_back(json::serialize(item));
    }
  };
  if (const json::array* list = value->if_array()) {
    for (const json::value& item : *list) add(item);
  } else {
    add(*value);
  }
  return texts;
}

std::string excerpt(std::string_view card_body, size_t bytes_max) {
  constexpr size_t kInputBytesMax = 64u << 10;  // Enough to pass a header of badges and pictures.
  card_body = cut_utf8(card_body, kInputBytesMax);
  std::string out;
  bool in_code = false;
  bool in_comment = false;
  for (std::string_view raw : split(card_body, '\n')) {
    if (out.size() > bytes_max) break;
    std::string_view line = trim(raw);
    if (line.starts_with("```") || line.starts_with("~~~")) {
      in_code = !in_code;
      continue;
    }
    if (in_code) continue;
    if (in_comment || line.starts_with("<!--")) {
      size_t end = line.find("-->");
      in_comment = end == std::string_view::npos;
      if (in_comment) continue;
      line = line.substr(end + 3);
    }
    if (line.empty() || line.starts_with("#") || is_table_or_rule(line)) continue;
    if (line.starts_with("> ")) line = line.substr(2);
    if (line.starts_with("- ") || line.starts_with("* ")) line = line.substr(2);
    append_folded(out, LineStripper(line).run(), bytes_max);
  }
  if (out.size() <= bytes_max) return out;
  std::string_view cut = cut_utf8(out, bytes_max);
  size_t word_end = cut.find_last_of(' ');
  if (word_end != std::string_view::npos && word_end > bytes_max / 2) cut = cut.substr(0, word_end);
  return std::string(trim(cut));
}

}  // namespace hearth::cards
