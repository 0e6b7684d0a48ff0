#pragma once
// What the commands have in common: how they print, and how they read a repository's name.

#include <string>
#include <string_view>
#include <vector>

#include "app/instance.h"
#include "base/json.h"

namespace hearth::app {

/// A line on standard output.
void say(const std::string& line);
void say_json(const json::value& value);
/// Columns that line up; the first row is the heading.
void say_table(const std::vector<std::vector<std::string>>& rows);

struct NamedRepo {
  hub::RepoType type = hub::RepoType::kModel;
  hub::RepoId repo_id;
};
/// "alice/tiny", "datasets/alice/set" or "spaces/alice/demo". Throws kInvalid.
NamedRepo parse_repo(std::string_view text);
/// Throws kInvalid and kNotFound.
hub::Repo require_repo(Instance& instance, std::string_view text);
/// As JSON for programs.
json::object repo_object(const hub::Repo& repo);

}  // namespace hearth::app
