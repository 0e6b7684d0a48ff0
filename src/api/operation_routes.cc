// The operations that this hub does not have: they answer 501 with a sentence, so that a client's
// user knows that nothing is wrong with the request.
//
// The lists are operations.tsv (the Hub's documentation) and client_operations.tsv (what
// huggingface_hub 2.4.0 calls besides); a row that a real route answers is dropped here.

#include <algorithm>
#include <deque>

#include "api/api.h"
#include "base/text.h"

namespace hearth::api {

// Made by CMake.
std::string_view operations_tsv();
std::string_view client_operations_tsv();

namespace {

http::Response not_implemented(Call& call) {
  throw Error(
      ErrorKind::kUnsupported,
      "This hub does not have the operation \"" + std::string(call.route->summary) + "\" yet.",
      {.code = "NotImplemented"});
}

/// The list's spelling of a path in ours: the last placeholder takes the rest of the path when it
/// is one, and each name is a placeholder of one segment. `{repo}` would be a repository in ours,
/// namespace and all, and one to be looked up first: nothing here depends on its being there.
std::string pattern_of(std::string_view path) {
  std::string pattern = replace_all(path, "{repo}", "{name}");
  if (pattern.ends_with("/{path}")) pattern.replace(pattern.size() - 7, 7, "/{path*}");
  return pattern;
}

/// Sample values for a path, to ask the router whether someone answers it.
std::string sample_of(std::string_view path) {
  std::string sample;
  for (std::string_view part : split(path.substr(1), '/')) {
    if (part == "{repoType}") {
      sample += "/models";
    } else {
      sample += part.starts_with('{') ? "/x" : "/" + std::string(part);
    }
  }
  return sample;
}

/// Whether a row of the hub's own answers the operation: one that takes no literal part of its path
/// for a value, as `/api/spaces/{repo}` would take "hardware" for a repository.
bool is_built(const Router& built, std::string_view method, std::string_view path) {
  auto match = built.find(method, VirtualHost::kMain, sample_of(path), nullptr);
  if (!match) return false;
  auto is_sample = [](std::string_view value) {
    return value.find_first_not_of("x/") == std::string_view::npos;
  };
  return is_sample(match->repo_id) &&
         std::all_of(match->params.begin(), match->params.end(),
                     [&](const auto& param) { return is_sample(param.second); });
}

struct Table {
  std::deque<std::string> texts;  // What the rows' views point into.
  std::vector<Route> rows;

  std::string_view keep(std::string text) { return texts.emplace_back(std::move(text)); }

  Table() {
    Router built(built_routes());
    add(built, operations_tsv(), "the documented operations (operations.tsv)");
    add(built, client_operations_tsv(), "huggingface_hub hf_api.py (client_operations.tsv)");
  }

  void add(const Router& built, std::string_view list, std::string_view source) {
    bool heading = true;
    for (std::string_view line : split(list, '\n')) {
      auto columns = split(line, '\t');
      if (std::exchange(heading, false) || columns.size() < 4) continue;
      if (is_built(built, columns[0], columns[1])) continue;
      rows.push_back(Route{.method = columns[0],
                           .pattern = keep(pattern_of(columns[1])),
                           .allow = Allow::kAnyone,
                           .handler = not_implemented,
                           .summary = keep(std::string(trim(columns[3]))),
                           .source = source,
                           .body_bytes_max = columns[0] == "GET" ? 0 : uint64_t{1} << 20});
    }
  }
};

}  // namespace

std::span<const Route> operation_routes() {
  static const Table table;
  return table.rows;
}

}  // namespace hearth::api
