#include "app/command_parts.h"

#include <cstdio>

#include "base/time.h"

namespace hearth::app {
namespace {

std::string_view gated_text(hub::Gated gated) {
  switch (gated) {
    case hub::Gated::kNo:
      return "no";
    case hub::Gated::kAuto:
      return "auto";
    case hub::Gated::kManual:
      return "manual";
  }
  return "no";
}

}  // namespace

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
}

void say_json(const json::value& value) {
  say(json::serialize(value));
}

void say_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    say(line);
  }
}

NamedRepo parse_repo(std::string_view text) {
  NamedRepo named;
  for (hub::RepoType other : {hub::RepoType::kDataset, hub::RepoType::kSpace}) {
    if (text.starts_with(hub::url_prefix(other))) {
      named.type = other;
      text.remove_prefix(hub::url_prefix(other).size());
      break;
    }
  }
  if (text.starts_with("models/")) text.remove_prefix(7);
  named.repo_id = value_or_throw(hub::RepoId::parse(text), "The repository's name");
  return named;
}

hub::Repo require_repo(Instance& instance, std::string_view text) {
  NamedRepo named = parse_repo(text);
  auto found = instance.parts.repositories.find(named.type, named.repo_id);
  if (!found) {
    throw Error(ErrorKind::kNotFound, "There is no " + std::string(hub::to_string(named.type)) +
                                          " '" + named.repo_id.full() +
                                          "'. Datasets are named datasets/NAME.");
  }
  return std::move(found->repo);
}

json::object repo_object(const hub::Repo& repo) {
  return {{"id", repo.id},
          {"type", std::string(hub::to_string(repo.type))},
          {"repo_id", repo.repo_id.full()},
          {"private", repo.is_private},
          {"gated", std::string(gated_text(repo.gated))},
          {"head", repo.head_oid},
          {"createdAt", iso8601_ms(repo.created_ms)},
          {"lastModified", iso8601_ms(repo.updated_ms)}};
}

}  // namespace hearth::app
