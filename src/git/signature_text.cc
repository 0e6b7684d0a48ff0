#include "git/signature_text.h"

#include <cstdlib>

#include <fmt/format.h>

#include "base/text.h"
#include "git/repository_state.h"

namespace hearth::git::internal {
namespace {

std::string clean(std::string_view text) {
  std::string out;
  for (char c : to_utf8(text)) {
    bool harmful = static_cast<uint8_t>(c) < 0x20 || c == 0x7F || c == '<' || c == '>';
    if (!harmful) out += c;
  }
  return std::string(trim(out));
}

}  // namespace

std::string signature_text(const Signature& signature) {
  std::string name = clean(signature.name);
  if (name.empty()) name = "unknown";
  std::string email;
  for (char c : clean(signature.email)) {
    if (c != ' ') email += c;
  }
  int64_t seconds = signature.time_ms < 0 ? 0 : signature.time_ms / 1000;
  int minutes = std::abs(signature.offset_minutes) % (24 * 60);
  return fmt::format("{} <{}> {} {}{:02}{:02}", name, email, seconds,
                     signature.offset_minutes < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

std::string message_text(std::string_view message) {
  std::string text;
  for (char c : to_utf8(message)) {
    if (c != '\r') text += c;
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text + "\n";
}

std::string commit_text(const Oid& tree, const std::vector<Oid>& parents, const Signature& author,
                        const Signature& committer, std::string_view message) {
  std::string text = "tree " + tree.hex() + "\n";
  for (const Oid& parent : parents) text += "parent " + parent.hex() + "\n";
  return text + "author " + signature_text(author) + "\ncommitter " + signature_text(committer) +
         "\n\n" + message_text(message);
}

}  // namespace hearth::git::internal
