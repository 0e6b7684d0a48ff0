// Rows become a tree of path segments. Literals win over placeholders, and a branch that leads
// nowhere is left again, so `/api/models/{repo}/tree/{rev}` and `/api/models/{repo}` live together.

#include <algorithm>

#include "api/api.h"
#include "base/text.h"

namespace hearth::api {
namespace {

/// One way to write a row's path: {types} and {prefix} are spelled out, {repo} is two segments.
struct Spelling {
  std::vector<std::string> segments;
  hub::RepoType repo_type = hub::RepoType::kModel;
  bool is_legacy_id = false;
};

constexpr hub::RepoType kTypes[] = {hub::RepoType::kModel, hub::RepoType::kDataset,
                                    hub::RepoType::kSpace};

std::vector<Spelling> spellings_of(const Route& route) {
  std::vector<Spelling> all = {{}};
  auto parts = split(route.pattern.substr(1), '/');
  for (std::string_view part : parts) {
    std::vector<Spelling> next;
    for (const Spelling& before : all) {
      auto add = [&](std::initializer_list<std::string> segments, std::optional<hub::RepoType> type,
                     bool legacy = false) {
        Spelling spelling = before;
        spelling.segments.insert(spelling.segments.end(), segments);
        if (type) spelling.repo_type = *type;
        spelling.is_legacy_id |= legacy;
        next.push_back(std::move(spelling));
      };
      if (part == "{types}") {
        for (hub::RepoType type : kTypes) add({std::string(hub::api_plural(type))}, type);
      } else if (part == "{prefix}") {
        add({}, hub::RepoType::kModel);
        add({"datasets"}, hub::RepoType::kDataset);
        add({"spaces"}, hub::RepoType::kSpace);
      } else if (part == "{repo}" || part == "{repo.git}") {
        bool git = part == "{repo.git}";
        add({"{:ns}", git ? "{:name.git}" : "{:name}"}, std::nullopt);
        if (!route.is_page) add({git ? "{:legacy.git}" : "{:legacy}"}, std::nullopt, true);
      } else {
        add({std::string(part)}, std::nullopt);
      }
    }
    all = std::move(next);
  }
  return all;
}

bool is_placeholder(std::string_view segment) {
  return segment.starts_with('{');
}

}  // namespace

struct Router::Node {
  struct Row {
    const Route* route;
    std::vector<std::string> names;  // Of the placeholders, in order.
    hub::RepoType repo_type;
    size_t rest_begin = 0;  // Where the rest of the path begins, in segments.
  };
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> one;  // A placeholder for one segment.
  std::vector<Row> here;      // Rows that end here.
  std::vector<Row> rest;      // Rows whose last placeholder takes all that is left.

  void add(const Route& route, const Spelling& spelling) {
    Node* node = this;
    Row row{&route, {}, spelling.repo_type, 0};
    for (size_t index = 0; index < spelling.segments.size(); ++index) {
      const std::string& segment = spelling.segments[index];
      if (!is_placeholder(segment)) {
        auto& child = node->literals[segment];
        if (!child) child = std::make_unique<Node>();
        node = child.get();
        continue;
      }
      row.names.push_back(segment.substr(1, segment.size() - 2));
      if (row.names.back().ends_with('*')) {
        row.names.back().pop_back();
        row.rest_begin = index;
        node->rest.push_back(std::move(row));
        return;
      }
      if (!node->one) node->one = std::make_unique<Node>();
      node = node->one.get();
    }
    node->here.push_back(std::move(row));
  }

  /// Where a search stands.
  struct Search {
    std::string_view method;
    const std::vector<std::string_view>& segments;
    std::vector<std::string_view> captured;
    std::string* allowed;  // See Router::find.
    // Whether some row spells out the first segment, which a placeholder took.
    bool is_shadowed = false;
  };

  /// Depth is bounded by the longest pattern, not by the path.
  const Row* find(Search& search, size_t index) const {
    if (index == search.segments.size()) return pick(here, search);
    const std::string_view segment = search.segments[index];
    const auto literal = literals.find(segment);
    if (literal != literals.end()) {
      if (const Row* row = literal->second->find(search, index + 1)) return row;
    }
    if (one && !segment.empty()) {
      const bool was_shadowed = search.is_shadowed;
      search.is_shadowed |= index == 0 && literal != literals.end();
      search.captured.push_back(segment);
      if (const Row* row = one->find(search, index + 1)) return row;
      search.captured.pop_back();
      search.is_shadowed = was_shadowed;
    }
    return pick(rest, search);
  }

  static const Row* pick(const std::vector<Row>& rows, const Search& search) {
    const std::string_view method = search.method;
    std::string* allowed = search.allowed;
    for (const Row& row : rows) {
      if (row.route->is_page && search.is_shadowed) continue;
      if (row.route->method == method || (method == "HEAD" && row.route->method == "GET")) {
        return &row;
      }
      if (allowed != nullptr) {
        if (!allowed->empty()) *allowed += ", ";
        *allowed += row.route->method;
      }
    }
    return nullptr;
  }
};

Router::Router(std::vector<const Route*> routes) {
  for (auto& root : roots_) root = std::make_unique<Node>();
  for (const Route* route : routes) {
    HEARTH_ASSERT(route->pattern.starts_with('/'), "a pattern begins with '/'");
    for (const Spelling& spelling : spellings_of(*route)) {
      roots_[static_cast<size_t>(route->host)]->add(*route, spelling);
    }
  }
}

Router::~Router() = default;

std::optional<Router::Match> Router::find(std::string_view method, VirtualHost host,
                                          std::string_view raw_path, std::string* allowed) const {
  if (!raw_path.starts_with('/')) return std::nullopt;
  std::vector<std::string_view> segments = split(raw_path.substr(1), '/');
  // One '/' at the end means the same path: `/alice/tiny/` in a browser.
  if (segments.size() > 1 && segments.back().empty()) segments.pop_back();
  Node::Search search{.method = method, .segments = segments, .captured = {}, .allowed = allowed};
  const Node::Row* row = roots_[static_cast<size_t>(host)]->find(search, 0);
  if (row == nullptr) return std::nullopt;
  const std::vector<std::string_view>& captured = search.captured;

  Match match;
  match.route = row->route;
  match.repo_type = row->repo_type;
  auto decode = [](std::string_view text) {
    auto decoded = percent_decode(text);
    if (!decoded) {
      throw Error(ErrorKind::kInvalid, "The address holds a broken percent escape.");
    }
    return std::move(*decoded);
  };
  auto position_of = [&](std::string_view raw) {
    for (size_t i = 0; i < segments.size(); ++i) {
      if (segments[i].data() == raw.data()) return i;
    }
    return size_t{0};
  };
  std::string namespace_name;
  for (size_t i = 0; i < row->names.size(); ++i) {
    const std::string& name = row->names[i];
    if (i >= captured.size()) {  // The rest of the path.
      std::string text;
      for (size_t k = row->rest_begin; k < segments.size(); ++k) {
        if (k != row->rest_begin) text += '/';
        text += decode(segments[k]);
      }
      match.params[name] = std::move(text);
      break;
    }
    std::string value = decode(captured[i]);
    if (name == ":ns") {
      namespace_name = value;
      match.repo_begin = position_of(captured[i]);
      match.repo_segments = 2;
    } else if (name == ":name" || name == ":name.git" || name == ":legacy" ||
               name == ":legacy.git") {
      if (name.ends_with(".git") && value.ends_with(".git")) value.resize(value.size() - 4);
      if (name.starts_with(":legacy")) {
        match.repo_begin = position_of(captured[i]);
        match.repo_segments = 1;
        match.repo_id = value;
      } else {
        match.repo_id = namespace_name + "/" + value;
      }
    } else {
      match.params[name] = std::move(value);
    }
  }
  return match;
}

}  // namespace hearth::api
