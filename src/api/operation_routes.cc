// The documented operations that this hub does not have: they answer 501 with a sentence, so that a
// client's user knows that nothing is wrong with the request.
//
// The list is operations.tsv; a row of it that a real route answers is dropped here.

#include <deque>

#include "api/api.h"
#include "base/text.h"

namespace hearth::api {

std::string_view operations_tsv();  // Made by CMake.

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

struct Table {
  std::deque<std::string> texts;  // What the rows' views point into.
  std::vector<Route> rows;

  std::string_view keep(std::string text) { return texts.emplace_back(std::move(text)); }

  Table() {
    Router built(built_routes());
    bool heading = true;
    for (std::string_view line : split(operations_tsv(), '\n')) {
      auto columns = split(line, '\t');
      if (std::exchange(heading, false) || columns.size() < 4) continue;
      if (built.find(columns[0], VirtualHost::kMain, sample_of(columns[1]), nullptr)) continue;
      rows.push_back(Route{.method = columns[0],
                           .pattern = keep(pattern_of(columns[1])),
                           .allow = Allow::kAnyone,
                           .handler = not_implemented,
                           .summary = keep(std::string(trim(columns[3]))),
                           .source = "the documented operations (operations.tsv)",
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
