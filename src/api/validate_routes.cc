// Checking a card before it is committed (hub-api 4.4).

#include <array>

#include "api/api.h"
#include "cards/cards.h"

namespace hearth::api {
namespace {

// A README may have 10 MiB as a plain file, and JSON may need two bytes for one.
constexpr uint64_t kBodyBytesMax = 24u << 20;

json::array messages_json(const std::vector<std::string>& messages) {
  json::array list;
  for (const std::string& message : messages) list.push_back(json::object{{"message", message}});
  return list;
}

http::Response validate_yaml(Call& call) {
  json::object body = call.json_body();
  std::string content = require_string(body, "content");
  std::string type = optional_string(body, "repoType").value_or("model");
  auto kind = cards::parse_repo_kind(type);
  // Kernels and the like have cards without rules of their own.
  cards::Validation result = cards::validate(content, kind.value_or(cards::RepoKind::kModel));
  int status = result.errors.empty() ? 200 : 400;
  // RepoCard.validate shows the body as it is: it asks for text.
  std::string_view accept = call.head.headers.get("Accept").value_or("");
  if (accept.starts_with("text/plain")) {
    std::string text;
    for (const std::string& error : result.errors) text += "- Error: " + error + "\n";
    for (const std::string& warning : result.warnings) text += "- Warning: " + warning + "\n";
    return http::Response::text(std::move(text), status);
  }
  return reply(json::object{{"errors", messages_json(result.errors)},
                            {"warnings", messages_json(result.warnings)}},
               status);
}

constexpr std::array kRoutes = {
    Route{.method = "POST",
          .pattern = "/api/validate-yaml",
          .allow = Allow::kAnyone,
          .handler = validate_yaml,
          .summary = "Checks the metadata of a README.md; 400 with its errors.",
          .source = "huggingface_hub hf_api.py _validate_yaml; repocard.py RepoCard.validate",
          .request = "ValidateCard",
          .answer = "CardValidation|text/plain",
          .refusal = "CardRefusal|text/plain",
          .body_bytes_max = kBodyBytesMax},
};

}  // namespace

std::span<const Route> validate_routes() {
  return kRoutes;
}

}  // namespace hearth::api
