#include "hub/listing_store.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "hub/facts_store.h"
#include "hub/repository_store.h"

// A list has a dozen optional conditions, so its statement is put together, from the constants in
// this file only: what a client sends goes into parameters. Three ways to walk, each over an index
// and (but for the first) in an order that lets the statement stop at the end of the page:
//
//   by tag     a tag that few have: its repositories are read and sorted
//   by name    a search or an author: the names of one type, by the index (type, name_key)
//   by rank    everything else, in the order of the sort key
//
// CROSS JOIN keeps SQLite to the order of the tables; PostgreSQL plans by its statistics. With
// 100,000 models on SQLite (2 shared cores, debug build) a search that sorts by trending takes
// 85 ms, other lists 1 to 6 ms a page of 20. An index of trigrams (FTS5, pg_trgm) would take the
// place of hub/search's NameSearch when that is too slow.

namespace hearth::hub {
namespace {

// "a/" <= key < "a0": '0' follows '/', so this is the prefix, by the unique index.
constexpr std::string_view kAuthor = "r.name_key >= ? AND r.name_key < ?";
constexpr std::string_view kTag =
    "EXISTS (SELECT 1 FROM repo_tag t WHERE t.repo_id = r.id AND t.tag = ?)";
constexpr std::string_view kPipeline = "k.pipeline_tag = ?";
constexpr std::string_view kGated = "r.gated <> ''";
constexpr std::string_view kNotGated = "r.gated = ''";
constexpr std::string_view kParametersMin = "k.parameter_count >= ?";
constexpr std::string_view kParametersMax = "k.parameter_count BETWEEN 0 AND ?";
constexpr std::string_view kLinked =
    "r.id IN (SELECT repo_id FROM repo_link WHERE kind = ? AND target_key = ?)";
constexpr std::string_view kPublic = "r.is_private = 0";
constexpr std::string_view kPublicOrOwn = "(r.is_private = 0 OR r.namespace_id IN {{list ?}})";
constexpr std::string_view kNothing = "1 = 0";

constexpr std::string_view kByTag =
    " FROM repo_tag d CROSS JOIN repo r CROSS JOIN repo_rank k"
    " WHERE d.tag = ? AND r.id = d.repo_id AND k.repo_id = d.repo_id AND r.type = ?"
    " AND r.deleted_ms IS NULL";
constexpr std::string_view kByName =
    " FROM repo r CROSS JOIN repo_rank k WHERE r.type = ? AND k.repo_id = r.id"
    " AND r.deleted_ms IS NULL";
constexpr std::string_view kByRank =
    " FROM repo_rank k CROSS JOIN repo r WHERE k.type = ? AND r.id = k.repo_id"
    " AND r.deleted_ms IS NULL";
constexpr std::string_view kHaveTag = "SELECT 1 FROM repo_tag WHERE tag = ?1 LIMIT ?2";
constexpr int64_t kFewMax = 2000;

constexpr std::string_view kFactsOfRepos =
    "SELECT repo_id, commit_oid, pipeline_tag, library_name, main_bytes,"
    " CASE WHEN ?2 = 1 THEN description ELSE '' END, CASE WHEN ?3 = 1 THEN tags ELSE '' END,"
    " CASE WHEN ?4 = 1 THEN more ELSE '' END, CASE WHEN ?5 = 1 THEN headers ELSE '' END,"
    " CASE WHEN ?6 = 1 THEN card ELSE '' END, CASE WHEN ?7 = 1 THEN config ELSE '' END"
    " FROM repo_facts WHERE repo_id IN {{list ?1}}";
constexpr std::string_view kRanksOfRepos =
    "SELECT repo_id, downloads, downloads_all_time, trending_score FROM repo_rank"
    " WHERE repo_id IN {{list ?1}}";
constexpr std::string_view kPathsOfRepos =
    "SELECT repo_id, path FROM path_entry WHERE repo_id IN {{list ?1}} ORDER BY repo_id, path";
constexpr std::string_view kSpacesOfModel =
    "SELECT repo_id FROM repo_link WHERE kind = 'model' AND target_key = ?1"
    " ORDER BY repo_id DESC LIMIT 100";
constexpr std::string_view kChildrenOfModel =
    "SELECT COUNT(*) FROM repo_link l JOIN repo r ON r.id = l.repo_id"
    " WHERE l.kind = 'base' AND l.target_key = ?1 AND r.is_private = 0 AND r.deleted_ms IS NULL";

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

/// The rarest tag that all results must have, if few have it.
std::optional<std::string> rare_tag(db::Tx& tx, const ListRequest& request) {
  std::vector<std::string> tags = request.tags;
  // The task is one of a model's tags.
  if (request.pipeline_tag) tags.push_back(*request.pipeline_tag);
  std::optional<std::string> rarest;
  int64_t rarest_count = kFewMax;
  for (const std::string& tag : tags) {
    int64_t count = 0;
    tx.for_each(kHaveTag, {tag, rarest_count}, [&](const db::Row&) {
      ++count;
      return true;
    });
    if (count >= rarest_count) continue;
    rarest_count = count;
    rarest = tag;
  }
  return rarest;
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
    std::string key = to_lower(*request.author);
    statement.also(kAuthor, {key + "/", key + "0"});
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

using ViewsById = std::map<std::string, RepoView*, std::less<>>;

void add_facts(db::Tx& tx, const db::Value& ids, const FieldSet& fields, const ViewsById& views) {
  auto wants = [&](std::initializer_list<std::string_view> names) {
    return int64_t{std::ranges::any_of(names, [&](auto name) { return fields.contains(name); })};
  };
  db::Params params = {
      ids,
      wants({"description"}),
      wants({"tags"}),
      wants({"cardData", "sdk", "title", "transformersInfo", "mask_token", "evalResults",
             "baseModels", "models", "datasets"}),
      wants({"safetensors", "gguf"}),
      wants({"cardData", "model-index", "widgetData", "citation", "paperswithcode_id"}),
      wants({"config"})};
  tx.for_each(kFactsOfRepos, params, [&](const db::Row& row) {
    auto view = views.find(row.get_text(0));
    if (view == views.end()) return true;
    view->second->facts = facts_of_texts({.commit_oid = row.get_text(1),
                                          .pipeline_tag = row.get_text(2),
                                          .library_name = row.get_text(3),
                                          .main_bytes = row.get_int(4),
                                          .description = row.get_text(5),
                                          .tags = row.get_text(6),
                                          .more = row.get_text(7),
                                          .headers = row.get_text(8),
                                          .card = row.get_text(9),
                                          .config = row.get_text(10)});
    return true;
  });
}

void add_spaces(db::Tx& tx, RepoView& view, const Access& access, const Identity* who) {
  std::vector<std::string> ids;
  for (const db::Row& row : tx.query(kSpacesOfModel, {view.repo.repo_id.key()})) {
    ids.push_back(row.get_text(0));
  }
  for (const Repo& space : find_repo_rows(tx, ids)) {
    if (access.may(who, space, RepoAction::kSee)) view.spaces.push_back(space.repo_id.full());
  }
}

}  // namespace

std::vector<ListHit> query_list(db::Tx& tx, const ListRequest& request, const ListScope& scope,
                                const std::optional<ListPosition>& after, size_t limit,
                                const RepoSearch& search) {
  SortColumns sort = sort_columns(request.sort);
  bool by_text = request.sort == SortKey::kId;
  bool by_name = !request.searches.empty() || request.author || !sort.of_rank;
  Statement statement;
  statement.add("SELECT r.id, ");
  statement.add(sort.key);
  if (auto tag = rare_tag(tx, request)) {
    statement.add(kByTag, {*tag, to_string(request.type)});
  } else {
    statement.add(by_name ? kByName : kByRank, {to_string(request.type)});
  }
  add_conditions(statement, request, scope, search);
  if (after) {
    statement.add(" AND (");
    statement.add(sort.key);
    statement.add(", ");
    statement.add(sort.id);
    statement.add(request.ascending ? ") > (?, ?)" : ") < (?, ?)",
                  {by_text ? db::Value(after->text) : db::Value(after->number), after->id});
  }
  statement.add(" ORDER BY ");
  statement.add(sort.key);
  statement.add(request.ascending ? " ASC, " : " DESC, ");
  statement.add(sort.id);
  statement.add(request.ascending ? " ASC LIMIT ?" : " DESC LIMIT ?",
                {static_cast<int64_t>(limit)});
  std::vector<ListHit> hits;
  for (const db::Row& row : tx.query(statement.sql(), statement.params())) {
    ListHit hit{.position = {.id = row.get_text(0), .number = 0, .text = {}}};
    if (by_text) {
      hit.position.text = row.get_text(1);
    } else {
      hit.position.number = row.get_int(1);
    }
    hits.push_back(std::move(hit));
  }
  return hits;
}

std::vector<RepoView> load_views(db::Tx& tx, const std::vector<Repo>& repos, const FieldSet& fields,
                                 const Access& access, const Identity* who) {
  std::vector<RepoView> views(repos.size());
  ViewsById by_id;
  std::vector<std::string> id_list;
  for (size_t i = 0; i < repos.size(); ++i) {
    views[i].repo = repos[i];
    views[i].sha = repos[i].head_oid;
    views[i].last_modified_ms = repos[i].updated_ms;
    by_id[repos[i].id] = &views[i];
    id_list.push_back(repos[i].id);
  }
  db::Value ids = db::in_list(id_list);
  add_facts(tx, ids, fields, by_id);
  for (const db::Row& row : tx.query(kRanksOfRepos, {ids})) {
    RepoView& view = *by_id.at(row.get_text(0));
    view.downloads = row.get_int(1);
    view.downloads_all_time = row.get_int(2);
    view.trending_score = row.get_int(3);
  }
  if (fields.contains("siblings")) {
    tx.for_each(kPathsOfRepos, {ids}, [&](const db::Row& row) {
      const std::string& path = row.get_text(1);
      // Folders stand in this table too.
      if (!path.ends_with('/')) by_id.at(row.get_text(0))->facts.paths.push_back(path);
      return true;
    });
  }
  for (RepoView& view : views) {
    if (fields.contains("spaces")) add_spaces(tx, view, access, who);
    if (fields.contains("childrenModelCount")) {
      auto row = tx.query_one(kChildrenOfModel, {view.repo.repo_id.key()});
      view.child_model_count = row ? row->get_int(0) : 0;
    }
  }
  return views;
}

}  // namespace hearth::hub
