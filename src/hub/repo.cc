#include "hub/repo.h"

#include "base/text.h"
#include "hub/limits.h"

namespace hearth::hub {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

std::string_view to_string(RepoType type) {
  switch (type) {
    case RepoType::kModel:
      return "model";
    case RepoType::kDataset:
      return "dataset";
    case RepoType::kSpace:
      return "space";
  }
  return "model";
}

std::string_view api_plural(RepoType type) {
  switch (type) {
    case RepoType::kModel:
      return "models";
    case RepoType::kDataset:
      return "datasets";
    case RepoType::kSpace:
      return "spaces";
  }
  return "models";
}

std::string_view url_prefix(RepoType type) {
  switch (type) {
    case RepoType::kModel:
      return "";
    case RepoType::kDataset:
      return "datasets/";
    case RepoType::kSpace:
      return "spaces/";
  }
  return "";
}

std::optional<RepoType> parse_repo_type(std::string_view text) {
  if (text == "model") return RepoType::kModel;
  if (text == "dataset") return RepoType::kDataset;
  if (text == "space") return RepoType::kSpace;
  return std::nullopt;
}

std::optional<RepoType> parse_api_plural(std::string_view text) {
  if (text == "models") return RepoType::kModel;
  if (text == "datasets") return RepoType::kDataset;
  if (text == "spaces") return RepoType::kSpace;
  return std::nullopt;
}

std::string RepoId::key() const {
  return to_lower(full());
}

std::optional<std::string> why_bad_name(std::string_view name) {
  if (name.empty()) return "a name may not be empty";
  if (name.size() > kNameBytesMax) return "a name has at most 96 characters";
  for (char c : name) {
    if (!is_word(c) && c != '-' && c != '.') {
      return "a name holds only letters, digits, '_', '-' and '.'";
    }
  }
  if (!is_word(name.front()) || !is_word(name.back())) {
    return "a name may not begin or end with '-' or '.'";
  }
  if (name.find("--") != std::string_view::npos || name.find("..") != std::string_view::npos) {
    return "a name may not hold '--' or '..'";
  }
  if (to_lower(name).ends_with(".git")) return "a name may not end in '.git'";
  return std::nullopt;
}

Parsed<RepoId> RepoId::parse(std::string_view text) {
  auto parts = split(text, '/');
  if (parts.size() != 2) return parse_error("a repository is named 'namespace/name'");
  for (std::string_view part : parts) {
    if (auto why = why_bad_name(part)) return parse_error(*why);
  }
  return RepoId{std::string(parts[0]), std::string(parts[1])};
}

}  // namespace hearth::hub
