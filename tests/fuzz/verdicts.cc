// Says what the parsers of foreign bytes make of an input, for oracles.py to compare with the
// formats' own libraries: a JSON object a line in, one out. Bytes are base64.
//
//   {"kind": "safetensors" | "gguf" | "yaml" | "branch" | "attributes" | "ignore", "data": …,
//    "paths": [… for the last two]}

#include <iostream>
#include <string>

#include "base/bytes.h"
#include "base/json.h"
#include "base/text.h"
#include "cards/cards.h"
#include "git/attributes.h"
#include "git/names.h"
#include "models/models.h"

namespace hearth {
namespace {

std::string decoded(std::string_view base64) {
  auto bytes = from_base64(base64);
  if (!bytes) throw Error(ErrorKind::kInvalid, "The data is not base64.");
  return std::string(as_text(*bytes));
}

template <typename T>
json::object verdict(const Parsed<T>& parsed) {
  json::object answer{{"ok", parsed.has_value()}};
  if (!parsed) answer["why"] = parsed.error().message;
  return answer;
}

json::object answer_to(const json::object& question) {
  std::string kind = require_string(question, "kind");
  std::string data = decoded(require_string(question, "data"));
  if (kind == "safetensors") {
    auto facts = models::read_safetensors(models::memory_source(as_bytes(data)));
    json::object answer = verdict(facts);
    if (facts) answer["facts"] = facts->to_json();
    return answer;
  }
  if (kind == "gguf") {
    auto facts = models::read_gguf(models::memory_source(as_bytes(data)));
    json::object answer = verdict(facts);
    if (facts) answer["facts"] = facts->to_json();
    return answer;
  }
  if (kind == "yaml") {
    auto value = cards::parse_yaml(data);
    json::object answer = verdict(value);
    if (value) answer["value"] = *value;
    return answer;
  }
  if (kind == "branch") return {{"ok", !git::why_bad_branch_name(data)}};
  json::array matched;
  git::Attributes attributes = git::Attributes::parse(kind == "attributes" ? data : "");
  git::Ignore ignore = git::Ignore::parse(kind == "ignore" ? data : "");
  for (const json::value& path : *get_array(question, "paths")) {
    std::string text = decoded(as_view(path.as_string()));
    matched.emplace_back(kind == "attributes" ? attributes.is_lfs(text) : ignore.matches(text));
  }
  return {{"matched", std::move(matched)}};
}

}  // namespace
}  // namespace hearth

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    auto answer = hearth::answer_to(hearth::parse_json_object(line, {.depth_max = 8}));
    std::cout << hearth::json::serialize(answer) << std::endl;
  }
}
