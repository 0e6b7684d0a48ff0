#pragma once
// Small things with text.

#include <string>
#include <string_view>
#include <vector>

namespace hearth {

/// ASCII only: names and headers are ASCII.
std::string to_lower(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);
/// "a,,b" gives three parts; an empty text gives one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// Well-formed UTF-8 as RFC 3629 has it (no surrogates, no overlong forms).
bool is_utf8(std::string_view text);
/// Has a character below 0x20 or 0x7f.
bool has_control_characters(std::string_view text);
/// At most `bytes_max` bytes, cut at a character's border.
std::string_view cut_utf8(std::string_view text, size_t bytes_max);
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace hearth
