#include "hub/listing_store.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "hub/facts_store.h"
#include "hub/repository_store.h"

namespace hearth::hub {
namespace {

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

std::vector<RepoView> load_views(db::Tx& tx, const std::vector<Repo>& repos, const FieldSet& fields,
                                 const Access& access, const Identity* who, PathBytes& paths) {
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
      if (path.ends_with('/')) return true;  // Folders stand in this table too.
      paths.found += path.size();
      if (paths.too_many()) return repos.size() == 1;
      by_id.at(row.get_text(0))->facts.paths.push_back(path);
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
