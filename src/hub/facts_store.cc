#include "hub/facts_store.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "db/db.h"
#include "hub/list_sets.h"
#include "hub/listing.h"
#include "hub/search.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kUpsertFacts =
    "INSERT INTO repo_facts (repo_id, commit_oid, pipeline_tag, library_name, main_bytes,"
    " description, tags, more, headers, card, config, file_tally)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '{}', ?9, ?10, ?11)"
    " ON CONFLICT (repo_id) DO UPDATE SET commit_oid = excluded.commit_oid,"
    " pipeline_tag = excluded.pipeline_tag, library_name = excluded.library_name,"
    " main_bytes = excluded.main_bytes, description = excluded.description, tags = excluded.tags,"
    " more = excluded.more, card = excluded.card, config = excluded.config,"
    " file_tally = excluded.file_tally";
constexpr std::string_view kUpsertRank =
    "INSERT INTO repo_rank (repo_id, type, pipeline_tag, parameter_count, main_bytes, downloads,"
    " downloads_all_time, trending_score) VALUES (?1, ?2, ?3, -1, ?4, 0, 0, 0)"
    " ON CONFLICT (repo_id) DO UPDATE SET pipeline_tag = excluded.pipeline_tag,"
    " main_bytes = excluded.main_bytes";
constexpr std::string_view kTagsOfRepo = "SELECT tag FROM repo_tag WHERE repo_id = ?1";
constexpr std::string_view kInsertTag = "INSERT INTO repo_tag (repo_id, tag) VALUES (?1, ?2)";
constexpr std::string_view kDeleteTag = "DELETE FROM repo_tag WHERE repo_id = ?1 AND tag = ?2";
constexpr std::string_view kLinksOfRepo =
    "SELECT kind, target_key FROM repo_link WHERE repo_id = ?1";
constexpr std::string_view kInsertLink =
    "INSERT INTO repo_link (repo_id, kind, target_key) VALUES (?1, ?2, ?3)";
constexpr std::string_view kDeleteLink =
    "DELETE FROM repo_link WHERE repo_id = ?1 AND kind = ?2 AND target_key = ?3";
constexpr std::string_view kSetHeaders =
    "UPDATE repo_facts SET headers = ?3 WHERE repo_id = ?1 AND commit_oid = ?2";
constexpr std::string_view kClearHeaders =
    "UPDATE repo_facts SET headers = '{}' WHERE repo_id = ?1";
constexpr std::string_view kSetParameters =
    "UPDATE repo_rank SET parameter_count = ?2 WHERE repo_id = ?1";
constexpr std::string_view kLoadFacts =
    "SELECT commit_oid, pipeline_tag, library_name, main_bytes, description, tags, more, headers,"
    " card, config FROM repo_facts WHERE repo_id = ?1";
constexpr std::string_view kFactsOfRepo =
    "SELECT repo_id, commit_oid, pipeline_tag, library_name, main_bytes, description, tags, more,"
    " card, config, file_tally FROM repo_facts WHERE repo_id = ?1";
constexpr std::string_view kFactsColumns[] = {
    "repo_id", "commit_oid", "pipeline_tag", "library_name", "main_bytes", "description",
    "tags",    "more",       "card",         "config",       "file_tally"};
constexpr std::string_view kTallyOfRepo =
    "SELECT commit_oid, main_bytes, file_tally FROM repo_facts WHERE repo_id = ?1";
constexpr std::string_view kHeadersOfRepo = "SELECT headers FROM repo_facts WHERE repo_id = ?1";
constexpr std::string_view kRankOfRepo =
    "SELECT type, pipeline_tag, main_bytes FROM repo_rank WHERE repo_id = ?1";
constexpr std::string_view kPathsOfRepo =
    "SELECT path FROM path_entry WHERE repo_id = ?1 ORDER BY path";

constexpr int64_t kUnknownCount = -1;
constexpr size_t kLinkCountMax = 200;  // Of each kind.
constexpr size_t kKeyBytesMax = 200;   // A name has two parts of at most 96 characters.

/// Texts of the database hold no NUL and are UTF-8; what came as JSON is UTF-8 already.
std::string storable(const std::string& text) {
  return replace_all(text, std::string(1, '\0'), "");
}

json::array texts_json(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

std::vector<std::string> texts_of(const json::value& value) {
  std::vector<std::string> texts;
  if (const json::array* list = value.if_array()) {
    for (const json::value& item : *list) {
      if (const json::string* text = item.if_string()) texts.emplace_back(as_view(*text));
    }
  }
  return texts;
}

json::object more_json(const RepoFacts& facts) {
  json::object more;
  if (!facts.card.card_error.empty()) more["card_error"] = facts.card.card_error;
  if (!facts.card.sdk.empty()) more["sdk"] = facts.card.sdk;
  if (!facts.card.title.empty()) more["title"] = facts.card.title;
  if (!facts.transformers_info.empty()) more["transformers_info"] = facts.transformers_info;
  if (!facts.mask_token.empty()) more["mask_token"] = facts.mask_token;
  if (!facts.eval_results.is_null()) more["eval_results"] = facts.eval_results;
  if (!facts.card.models.empty()) more["models"] = texts_json(facts.card.models);
  if (!facts.card.datasets.empty()) more["datasets"] = texts_json(facts.card.datasets);
  if (!facts.card.base_models.empty()) {
    json::array bases;
    for (const cards::BaseModel& base : facts.card.base_models) {
      bases.push_back(json::object{{"id", base.id}, {"relation", base.relation}});
    }
    more["base_models"] = std::move(bases);
  }
  return more;
}

/// What this program wrote itself; anything else is damage.
json::object stored_object(const std::string& text) {
  auto parsed = parse_json(text, {.depth_max = 128});
  if (!parsed || !parsed->is_object()) {
    throw Error(ErrorKind::kCorrupt, "The index of a repository is damaged: rebuild it.");
  }
  return std::move(parsed->as_object());
}

void read_more(const json::object& more, RepoFacts& facts) {
  facts.card.card_error = get_string(more, "card_error").value_or("");
  facts.card.sdk = get_string(more, "sdk").value_or("");
  facts.card.title = get_string(more, "title").value_or("");
  facts.mask_token = get_string(more, "mask_token").value_or("");
  if (const auto* info = get_object(more, "transformers_info")) facts.transformers_info = *info;
  if (const auto* results = find(more, "eval_results")) facts.eval_results = *results;
  if (const auto* models = find(more, "models")) facts.card.models = texts_of(*models);
  if (const auto* datasets = find(more, "datasets")) facts.card.datasets = texts_of(*datasets);
  const json::array* bases = get_array(more, "base_models");
  if (bases == nullptr) return;
  for (const json::value& base : *bases) {
    const json::object& object = base.as_object();
    facts.card.base_models.push_back({.id = get_string(object, "id").value_or(""),
                                      .relation = get_string(object, "relation").value_or("")});
  }
}

/// Writes only what differs: most commits change no tag.
void update_tags(db::Tx& tx, const std::string& repo_id, const std::vector<std::string>& tags) {
  std::set<std::string> wanted(tags.begin(), tags.end());
  std::vector<db::Params> gone;
  for (const db::Row& row : tx.query(kTagsOfRepo, {repo_id})) {
    if (wanted.erase(row.get_text(0)) == 0) gone.push_back({repo_id, row.get_text(0)});
  }
  if (!gone.empty()) tx.execute_many(kDeleteTag, gone);
  std::vector<db::Params> added;
  for (const std::string& tag : wanted) added.push_back({repo_id, tag});
  if (added.empty()) return;
  tx.execute_many(kInsertTag, added);
  note_list_change(tx, repo_id);
}

void add_links(std::set<std::pair<std::string, std::string>>& links, const std::string& kind,
               const std::vector<std::string>& ids) {
  size_t count = 0;
  for (const std::string& id : ids) {
    if (id.size() > kKeyBytesMax || has_control_characters(id) || ++count > kLinkCountMax) continue;
    links.emplace(kind, to_lower(id));
  }
}

std::set<std::pair<std::string, std::string>> links_of(const Repo& repo, const RepoFacts& facts) {
  std::set<std::pair<std::string, std::string>> wanted;
  if (repo.type == RepoType::kSpace) {
    add_links(wanted, "model", facts.card.models);
    add_links(wanted, "dataset", facts.card.datasets);
  } else if (repo.type == RepoType::kModel) {
    std::vector<std::string> bases;
    for (const cards::BaseModel& base : facts.card.base_models) bases.push_back(base.id);
    add_links(wanted, "base", bases);
  }
  return wanted;
}

void update_links(db::Tx& tx, const Repo& repo, const RepoFacts& facts) {
  auto wanted = links_of(repo, facts);
  std::vector<db::Params> gone;
  for (const db::Row& row : tx.query(kLinksOfRepo, {repo.id})) {
    if (wanted.erase({row.get_text(0), row.get_text(1)}) == 0) {
      gone.push_back({repo.id, row.get_text(0), row.get_text(1)});
    }
  }
  if (!gone.empty()) tx.execute_many(kDeleteLink, gone);
  std::vector<db::Params> added;
  for (const auto& [kind, key] : wanted) added.push_back({repo.id, kind, key});
  if (added.empty()) return;
  tx.execute_many(kInsertLink, added);
  note_list_change(tx, repo.id);
}

/// With the commit that it is of: a program of before tallies, still ending its work beside this
/// one, writes another commit and leaves the tally.
std::string tally_text(const RepoFacts& facts) {
  return facts.commit_oid + " " + facts.tally.to_text();
}

/// Nothing when it was counted for another commit, or by other rules.
std::optional<cards::FileTally> tally_of_text(std::string_view text, std::string_view commit_oid) {
  if (!text.starts_with(commit_oid)) return std::nullopt;
  text.remove_prefix(commit_oid.size());
  if (!text.starts_with(' ')) return std::nullopt;
  return cards::FileTally::parse(text.substr(1));
}

db::Params facts_values(const std::string& repo_id, const RepoFacts& facts) {
  return {repo_id,
          facts.commit_oid,
          storable(facts.card.pipeline_tag),
          storable(facts.card.library_name),
          facts.main_bytes,
          storable(facts.card.description),
          json::serialize(texts_json(facts.card.tags)),
          json::serialize(more_json(facts)),
          json::serialize(facts.card.card),
          json::serialize(facts.config),
          tally_text(facts)};
}

}  // namespace

RepoFacts facts_of_texts(const StoredFacts& stored) {
  RepoFacts facts;
  facts.commit_oid = stored.commit_oid;
  facts.card.pipeline_tag = stored.pipeline_tag;
  facts.card.library_name = stored.library_name;
  facts.main_bytes = static_cast<uint64_t>(stored.main_bytes);
  facts.card.description = stored.description;
  if (!stored.tags.empty()) {
    auto tags = parse_json(stored.tags);
    if (tags) facts.card.tags = texts_of(*tags);
  }
  if (!stored.more.empty()) read_more(stored_object(stored.more), facts);
  if (!stored.headers.empty()) {
    json::object headers = stored_object(stored.headers);
    if (const auto* safetensors = find(headers, "safetensors")) facts.safetensors = *safetensors;
    if (const auto* gguf = find(headers, "gguf")) facts.gguf = *gguf;
  }
  if (!stored.card.empty()) {
    facts.card.card = stored_object(stored.card);
    const json::object& card = facts.card.card;
    facts.card.licenses = cards::text_list(find(card, "license"));
    facts.card.languages = cards::text_list(find(card, "language"));
    if (const auto* index = get_array(card, "model-index")) facts.card.model_index = *index;
    if (const auto* widget = find(card, "widget")) facts.card.widget_data = *widget;
  }
  if (!stored.config.empty()) facts.config = stored_object(stored.config);
  return facts;
}

void index_repo(db::Tx& tx, const Repo& repo, const RepoFacts& facts) {
  tx.execute(kUpsertFacts, facts_values(repo.id, facts));
  tx.execute(kUpsertRank,
             {repo.id, to_string(repo.type), storable(facts.card.pipeline_tag), facts.main_bytes});
  update_tags(tx, repo.id, facts.card.tags);
  update_links(tx, repo, facts);
  index_name(tx, repo.id, repo.repo_id.key());  // It was there; but this makes it again, too.
  if (facts.tally.has_weights()) return;
  tx.execute(kClearHeaders, {repo.id});
  tx.execute(kSetParameters, {repo.id, kUnknownCount});
}

std::optional<std::string> why_facts_wrong(db::Tx& tx, const Repo& repo, const RepoFacts& facts) {
  auto row = tx.query_one(kFactsOfRepo, {repo.id});
  if (!row) return "it has no facts";
  db::Params wanted = facts_values(repo.id, facts);
  for (size_t i = 0; i < wanted.size(); ++i) {
    // One that is not built on is no fault: the next commit counts anew.
    if (kFactsColumns[i] == "file_tally" && !tally_of_text(row->get_text(i), row->get_text(1))) {
      continue;
    }
    const int64_t* number = wanted[i].as_int();
    bool same =
        number != nullptr ? row->get_int(i) == *number : row->get_text(i) == *wanted[i].as_text();
    if (!same) return "its facts differ from its files in " + std::string(kFactsColumns[i]);
  }
  std::set<std::string> tags;
  for (const db::Row& tag : tx.query(kTagsOfRepo, {repo.id})) tags.insert(tag.get_text(0));
  if (tags != std::set<std::string>(facts.card.tags.begin(), facts.card.tags.end())) {
    return "the tags that it is found by are not those of its card";
  }
  std::set<std::pair<std::string, std::string>> links;
  for (const db::Row& link : tx.query(kLinksOfRepo, {repo.id})) {
    links.emplace(link.get_text(0), link.get_text(1));
  }
  if (links != links_of(repo, facts)) return "its links to others are not those of its card";
  if (!is_name_indexed(tx, repo.id, repo.repo_id.key())) {
    return "searches do not find it by each part of its name";
  }
  if (auto why = why_sets_wrong(tx, repo)) return why;
  auto rank = tx.query_one(kRankOfRepo, {repo.id});
  if (!rank || rank->get_text(0) != to_string(repo.type) ||
      rank->get_text(1) != storable(facts.card.pipeline_tag) ||
      rank->get_int(2) != static_cast<int64_t>(facts.main_bytes)) {
    return "what lists sort it by is not what its files say";
  }
  return std::nullopt;
}

std::string headers_text(const ModelHeaders& headers) {
  json::object stored;
  if (!headers.safetensors.is_null()) stored["safetensors"] = headers.safetensors;
  if (!headers.gguf.is_null()) stored["gguf"] = headers.gguf;
  return json::serialize(stored);
}

std::string stored_headers_text(db::Tx& tx, const std::string& repo_id) {
  auto row = tx.query_one(kHeadersOfRepo, {repo_id});
  return row ? row->get_text(0) : std::string();
}

void store_model_headers(db::Tx& tx, const std::string& repo_id, const std::string& commit_oid,
                         const ModelHeaders& headers) {
  int64_t parameter_count = kUnknownCount;
  // A number beyond 64 bits cannot come from files of 64-bit sizes.
  for (const auto* part : {&headers.gguf, &headers.safetensors}) {
    if (const json::object* object = part->if_object()) {
      parameter_count = get_int(*object, "total").value_or(parameter_count);
    }
  }
  int64_t changed = tx.execute(kSetHeaders, {repo_id, commit_oid, headers_text(headers)});
  if (changed > 0) tx.execute(kSetParameters, {repo_id, parameter_count});
}

std::optional<TalliedCommit> load_tally(db::Tx& tx, const std::string& repo_id) {
  auto row = tx.query_one(kTallyOfRepo, {repo_id});
  if (!row) return std::nullopt;
  auto tally = tally_of_text(row->get_text(2), row->get_text(0));
  if (!tally) return std::nullopt;
  return TalliedCommit{row->get_text(0),
                       {std::move(*tally), static_cast<uint64_t>(row->get_int(1))}};
}

RepoFacts load_facts(db::Tx& tx, const std::string& repo_id, LoadFacts options) {
  RepoFacts facts;
  if (auto row = tx.query_one(kLoadFacts, {repo_id})) {
    facts = facts_of_texts({.commit_oid = row->get_text(0),
                            .pipeline_tag = row->get_text(1),
                            .library_name = row->get_text(2),
                            .main_bytes = row->get_int(3),
                            .description = row->get_text(4),
                            .tags = row->get_text(5),
                            .more = row->get_text(6),
                            .headers = row->get_text(7),
                            .card = row->get_text(8),
                            .config = row->get_text(9)});
  }
  if (options.with_paths) {
    tx.for_each(kPathsOfRepo, {repo_id}, [&](const db::Row& row) {
      if (!row.get_text(0).ends_with('/')) facts.paths.push_back(row.get_text(0));
      return true;
    });
  }
  return facts;
}

}  // namespace hearth::hub
