// The statements that find a page of a list.
//
// A list has a dozen optional conditions, so its statement is put together, from the constants in
// this file and of hub/search only: what a client sends goes into parameters. There are two ways:
//
//   by a source   what has a rare tag, a rare run of letters in its name, …: all of it is read and
//                 sorted
//   by order      the repositories in the order of the list, until the page is full
//
// Which one is quick depends on how many repositories hold all conditions, which nobody knows: two
// common tags may have nothing in common. So: a source with few repositories is taken at once. Else
// the walk by order is tried over a stretch; a page that is not full by then tells that few hold
// all conditions, and the smallest source is read. Both find the same. With 450,000 models a page
// of 20 so reads some thousands of rows at most, where no condition narrows it down by itself.
//
// CROSS JOIN keeps SQLite to the order of the tables; PostgreSQL plans by its statistics.

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "hub/listing_store.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kTag =
    "EXISTS (SELECT 1 FROM repo_tag t WHERE t.repo_id = r.id AND t.tag = ?)";
constexpr std::string_view kPipeline = "k.pipeline_tag = ?";
constexpr std::string_view kGated = "r.gated <> ''";
constexpr std::string_view kNotGated = "r.gated = ''";
// Calculated, so that no engine walks by the name or the count where the order of the list is the
// quicker way.
constexpr std::string_view kAuthor = "r.name_key LIKE ? ESCAPE '\\'";
constexpr std::string_view kParametersMin = "k.parameter_count + 0 >= ?";
constexpr std::string_view kParametersMax = "k.parameter_count + 0 BETWEEN 0 AND ?";
constexpr std::string_view kLinked =
    "EXISTS (SELECT 1 FROM repo_link l WHERE l.repo_id = r.id AND l.kind = ? AND l.target_key = ?)";
constexpr std::string_view kPublic = "r.is_private = 0";
constexpr std::string_view kPublicOrOwn = "(r.is_private = 0 OR r.namespace_id IN {{list ?}})";
constexpr std::string_view kNothing = "1 = 0";

// Sources: ids of repositories, of any type where not said.
constexpr std::string_view kOfTag = "SELECT repo_id FROM repo_tag WHERE tag = ?";
constexpr std::string_view kOfLink =
    "SELECT repo_id FROM repo_link WHERE kind = ? AND target_key = ?";
// "a/" <= key < "a0": '0' follows '/', so this is the prefix, by the unique index.
constexpr std::string_view kOfAuthor =
    "SELECT id AS repo_id FROM repo WHERE type = ? AND name_key >= ? AND name_key < ?";
constexpr std::string_view kOfGated =
    "SELECT id AS repo_id FROM repo WHERE type = ? AND gated <> ''";
constexpr std::string_view kOfParameters =
    "SELECT repo_id FROM repo_rank WHERE type = ? AND parameter_count BETWEEN ? AND ?";

constexpr std::string_view kByName =
    " FROM repo r CROSS JOIN repo_rank k WHERE r.type = ? AND k.repo_id = r.id"
    " AND r.deleted_ms IS NULL";
constexpr std::string_view kByRank =
    " FROM repo_rank k CROSS JOIN repo r WHERE k.type = ? AND r.id = k.repo_id"
    " AND r.deleted_ms IS NULL";

constexpr int64_t kManyMax = 100'000;  // Larger sources are not told apart.

/// A local app that people run models with, and the tag of what it reads. Source: the list of local
/// apps in @huggingface/tasks.
struct App {
  std::string_view name;
  std::string_view tag;
};
constexpr App kApps[] = {{"ollama", "gguf"},
                         {"llama.cpp", "gguf"},
                         {"lmstudio", "gguf"},
                         {"jan", "gguf"},
                         {"koboldcpp", "gguf"},
                         {"localai", "gguf"},
                         {"gpt4all", "gguf"},
                         {"jellybox", "gguf"},
                         {"backyard", "gguf"},
                         {"sanctum", "gguf"},
                         {"recursechat", "gguf"},
                         {"msty", "gguf"},
                         {"docker-model-runner", "gguf"},
                         {"unsloth", "safetensors"},
                         {"vllm", "safetensors"},
                         {"sglang", "safetensors"},
                         {"tgi", "safetensors"},
                         {"mlx-lm", "mlx"},
                         {"drawthings", "diffusers"},
                         {"diffusionbee", "diffusers"},
                         {"joyfusion", "diffusers"},
                         {"invoke", "diffusers"}};

/// Texts and parameters of a statement; each '?' of a fragment gets the next number.
class Statement {
 public:
  void add(std::string_view fragment, std::vector<db::Value> values = {}) {
    auto value = values.begin();
    for (char c : fragment) {
      sql_ += c;
      if (c != '?') continue;
      HEARTH_ASSERT(value != values.end(), "a fragment has a value for each of its places");
      params_.push_back(std::move(*value++));
      sql_ += std::to_string(params_.size());
    }
  }
  void also(std::string_view condition, std::vector<db::Value> values = {}) {
    sql_ += " AND ";
    add(condition, std::move(values));
  }
  const std::string& sql() const { return sql_; }
  const db::Params& params() const { return params_; }

 private:
  std::string sql_;
  db::Params params_;
};

struct SortColumns {
  std::string_view key;
  std::string_view id;  // Of the same table: an index holds both
  bool of_rank = false;
};

SortColumns sort_columns(SortKey key) {
  switch (key) {
    case SortKey::kTrending:
      return {"k.trending_score", "k.repo_id", true};
    case SortKey::kLastModified:
      return {"r.updated_ms", "r.id"};
    case SortKey::kCreatedAt:
      return {"r.created_ms", "r.id"};
    case SortKey::kDownloads:
      return {"k.downloads", "k.repo_id", true};
    case SortKey::kLikes:
    case SortKey::kLikesMonth:
      return {"r.likes", "r.id"};
    case SortKey::kParameters:
      return {"k.parameter_count", "k.repo_id", true};
    case SortKey::kMainSize:
      return {"k.main_bytes", "k.repo_id", true};
    case SortKey::kId:
      return {"r.name_key", "r.id"};
  }
  return {"r.updated_ms", "r.id"};
}

/// Repositories among which all results are.
struct Source {
  std::string sql;  // Each id once
  db::Params values;
  int64_t count = 0;         // At most what was asked for; rows that are counted twice are no harm
  std::string counted = {};  // What to count, if not `sql`
};

std::vector<std::string> all_tags(const ListRequest& request) {
  std::vector<std::string> tags = request.tags;
  // The task is one of a model's tags.
  if (request.pipeline_tag) tags.push_back(*request.pipeline_tag);
  for (const std::string& name : request.apps) {
    const auto* app = std::ranges::find(kApps, std::string_view(name), &App::name);
    if (app != std::end(kApps)) tags.emplace_back(app->tag);
  }
  return tags;
}

std::vector<Source> sources_of(const ListRequest& request, const RepoSearch& search) {
  std::string type(to_string(request.type));
  std::vector<Source> sources;
  for (const std::string& tag : all_tags(request)) sources.push_back({std::string(kOfTag), {tag}});
  for (const std::string& word : request.searches) {
    for (SearchSource& found : search.sources(word)) {
      sources.push_back({.sql = std::move(found.sql),
                         .values = std::move(found.values),
                         .counted = std::move(found.counted)});
    }
  }
  if (request.author) {
    std::string key = to_lower(*request.author);
    sources.push_back({std::string(kOfAuthor), {type, key + "/", key + "0"}});
  }
  for (const std::string& id : request.linked_models) {
    sources.push_back({std::string(kOfLink), {"model", to_lower(id)}});
  }
  for (const std::string& id : request.linked_datasets) {
    sources.push_back({std::string(kOfLink), {"dataset", to_lower(id)}});
  }
  if (request.gated == true) sources.push_back({std::string(kOfGated), {type}});
  if (request.parameters_min || request.parameters_max) {
    sources.push_back(
        {std::string(kOfParameters),
         {type, request.parameters_min.value_or(0), request.parameters_max.value_or(INT64_MAX)}});
  }
  return sources;
}

int64_t count_of(db::Tx& tx, const Source& source, int64_t count_max) {
  Statement statement;
  statement.add("SELECT COUNT(*) FROM (");
  statement.add(source.counted.empty() ? source.sql : source.counted, source.values);
  statement.add(" LIMIT ?) counted", {count_max});
  return tx.query_one(statement.sql(), statement.params())->get_int(0);
}

/// The smallest; nothing when none has fewer than `count_max`.
const Source* smallest(db::Tx& tx, std::vector<Source>& sources, int64_t count_max) {
  const Source* found = nullptr;
  int64_t least = count_max;
  for (Source& source : sources) {
    source.count = count_of(tx, source, least);
    if (source.count >= least) continue;
    least = source.count;
    found = &source;
  }
  return found;
}

void add_conditions(Statement& statement, const ListRequest& request, const ListScope& scope,
                    const RepoSearch& search) {
  if (!scope.everything) {
    if (scope.namespace_ids.empty()) {
      statement.also(kPublic);
    } else {
      statement.also(kPublicOrOwn, {db::in_list(scope.namespace_ids)});
    }
  }
  for (const std::string& word : request.searches) {
    SearchCondition found = search.matching(word);
    statement.also(found.sql, found.values);
  }
  if (request.author) {
    // Names hold no '%' and no '\\'; an author with one has nothing here.
    std::string name = to_lower(*request.author);
    bool is_name = name.find_first_of("%\\") == std::string::npos;
    statement.also(is_name ? kAuthor : kNothing,
                   is_name ? db::Params{replace_all(name, "_", "\\_") + "/%"} : db::Params{});
  }
  for (const std::string& tag : request.tags) statement.also(kTag, {tag});
  if (request.pipeline_tag) statement.also(kPipeline, {*request.pipeline_tag});
  if (request.gated) statement.also(*request.gated ? kGated : kNotGated);
  for (const std::string& name : request.apps) {
    const auto* app = std::ranges::find(kApps, std::string_view(name), &App::name);
    if (app == std::end(kApps)) {
      statement.also(kNothing);
    } else {
      statement.also(kTag, {app->tag});
    }
  }
  if (request.only_served) statement.also(kNothing);
  if (request.parameters_min) statement.also(kParametersMin, {*request.parameters_min});
  if (request.parameters_max) statement.also(kParametersMax, {*request.parameters_max});
  for (const std::string& id : request.linked_models) {
    statement.also(kLinked, {"model", to_lower(id)});
  }
  for (const std::string& id : request.linked_datasets) {
    statement.also(kLinked, {"dataset", to_lower(id)});
  }
}

/// Where a walk in the list's order stands.
struct Walk {
  const ListRequest& request;
  const std::optional<ListPosition>& after;
  SortColumns sort = sort_columns(request.sort);
  bool by_text = request.sort == SortKey::kId;

  db::Params values(const ListPosition& at) const {
    return {by_text ? db::Value(at.text) : db::Value(at.number), at.id};
  }
  void begin(Statement& statement) const {
    statement.add("SELECT ");
    statement.add(sort.id);
    statement.add(", ");
    statement.add(sort.key);
  }
  /// In the order of the list, and so that an index over key and id bounds the walk.
  void bound(Statement& statement, std::string_view before, std::string_view behind,
             const ListPosition& at) const {
    statement.add(" AND (");
    statement.add(sort.key);
    statement.add(", ");
    statement.add(sort.id);
    statement.add(request.ascending ? before : behind, values(at));
  }
  void go_on(Statement& statement) const {
    if (after) bound(statement, ") > (?, ?)", ") < (?, ?)", *after);
  }
  void end(Statement& statement, int64_t limit, int64_t skip = 0) const {
    statement.add(" ORDER BY ");
    statement.add(sort.key);
    statement.add(request.ascending ? " ASC, " : " DESC, ");
    statement.add(sort.id);
    statement.add(request.ascending ? " ASC LIMIT ? OFFSET ?" : " DESC LIMIT ? OFFSET ?",
                  {limit, skip});
  }
  std::vector<ListHit> run(db::Tx& tx, const Statement& statement) const {
    std::vector<ListHit> hits;
    tx.for_each(statement.sql(), statement.params(), [&](const db::Row& row) {
      ListHit hit{.position = {.id = row.get_text(0), .number = 0, .text = {}}};
      if (by_text) {
        hit.position.text = row.get_text(1);
      } else {
        hit.position.number = row.get_int(1);
      }
      hits.push_back(std::move(hit));
      return true;
    });
    return hits;
  }
};

/// The repository `distance` further on in the order, whatever it is; nothing near the end.
std::optional<ListPosition> further_on(db::Tx& tx, const Walk& walk, int64_t distance) {
  Statement statement;
  walk.begin(statement);
  statement.add(
      walk.sort.of_rank ? " FROM repo_rank k WHERE k.type = ?" : " FROM repo r WHERE r.type = ?",
      {to_string(walk.request.type)});
  walk.go_on(statement);
  walk.end(statement, 1, distance);
  auto hits = walk.run(tx, statement);
  return hits.empty() ? std::nullopt : std::optional(hits.front().position);
}

}  // namespace

std::vector<ListHit> query_list(db::Tx& tx, const ListRequest& request, const ListScope& scope,
                                const std::optional<ListPosition>& after, size_t limit,
                                const RepoSearch& search, const ListEffort& effort) {
  Walk walk{request, after};
  auto page_size = static_cast<int64_t>(limit);
  auto by_source = [&](const Source& source) {
    Statement statement;
    walk.begin(statement);
    statement.add(" FROM (");
    statement.add(source.sql, source.values);
    statement.add(
        ") d CROSS JOIN repo r CROSS JOIN repo_rank k WHERE r.id = d.repo_id"
        " AND k.repo_id = d.repo_id AND r.type = ? AND r.deleted_ms IS NULL",
        {to_string(request.type)});
    add_conditions(statement, request, scope, search);
    walk.go_on(statement);
    walk.end(statement, page_size);
    return walk.run(tx, statement);
  };
  auto by_order = [&](const std::optional<ListPosition>& last) {
    Statement statement;
    walk.begin(statement);
    statement.add(walk.sort.of_rank ? kByRank : kByName, {to_string(request.type)});
    add_conditions(statement, request, scope, search);
    walk.go_on(statement);
    if (last) walk.bound(statement, ") <= (?, ?)", ") >= (?, ?)", *last);
    walk.end(statement, page_size);
    return walk.run(tx, statement);
  };

  std::vector<Source> sources = sources_of(request, search);
  if (sources.empty()) return by_order(std::nullopt);
  if (const Source* few = smallest(tx, sources, effort.few_max)) return by_source(*few);
  auto last = further_on(tx, walk, std::max(effort.few_max, page_size * effort.stretch_of_page));
  auto hits = by_order(last);
  if (!last || hits.size() >= limit) return hits;
  const Source* source = smallest(tx, sources, kManyMax);
  return by_source(source != nullptr ? *source : sources.front());
}

}  // namespace hearth::hub
