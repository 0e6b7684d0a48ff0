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
// all conditions, and the smallest source is read. Both find the same.
//
// Two common tags cost either way tens of thousands of rows. So where hub/list_sets knows the
// conditions (all but counts of parameters, and words of one letter) it is asked first (by
// numbers): how many are left is then known before anything is read. Few are looked up and sorted.
// Of more, a walk by order, which looks at nothing but which repository it is, goes from one to the
// next: of many by their numbers, which costs more for each step; of those between by their ids,
// which are read first. What the sets do not tell of yet is looked at too.
//
// CROSS JOIN keeps SQLite to the order of the tables; PostgreSQL plans by its statistics.

#include <algorithm>
#include <charconv>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "hub/id_set.h"
#include "hub/list_sets.h"
#include "hub/listing_store.h"

namespace hearth::hub {
namespace {

// '@' is the id in the first table of the statement: so SQLite tries them before it looks a row of
// the second one up, which is dearer.
constexpr std::string_view kTag =
    "EXISTS (SELECT 1 FROM repo_tag t WHERE t.repo_id = @ AND t.tag = ?)";
constexpr std::string_view kPipeline = "k.pipeline_tag = ?";
constexpr std::string_view kGated = "r.gated <> ''";
constexpr std::string_view kNotGated = "r.gated = ''";
// Calculated, so that no engine walks by the name or the count where the order of the list is the
// quicker way.
constexpr std::string_view kAuthor = "r.name_key LIKE ? ESCAPE '\\'";
constexpr std::string_view kParametersMin = "k.parameter_count + 0 >= ?";
constexpr std::string_view kParametersMax = "k.parameter_count + 0 BETWEEN 0 AND ?";
constexpr std::string_view kLinked =
    "EXISTS (SELECT 1 FROM repo_link l WHERE l.repo_id = @ AND l.kind = ? AND l.target_key = ?)";
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

// The type is calculated for the same reason.
constexpr std::string_view kOfIds =
    " FROM repo r CROSS JOIN repo_rank k WHERE r.id IN {{list ?}} AND k.repo_id = r.id"
    " AND r.type || '' = ? AND r.deleted_ms IS NULL";

constexpr int64_t kManyMax = 100'000;     // Larger sources are not told apart.
constexpr int64_t kRowsOfWalkMin = 1000;  // One statement more costs as much.

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
  // Each is read: one that is asked for fifty times is read once.
  std::sort(tags.begin(), tags.end());
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
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

/// What hub/list_sets knows of the request.
std::vector<std::string> conditions_of(const ListRequest& request, const RepoSearch& search) {
  std::vector<std::string> conditions;
  if (request.author) conditions.push_back(list_condition::author(request.type, *request.author));
  for (const auto& [kind, ids] : {std::pair("model", &request.linked_models),
                                  std::pair("dataset", &request.linked_datasets)}) {
    for (const std::string& id : *ids) conditions.push_back(list_condition::link(kind, id));
  }
  if (request.gated == true) conditions.push_back(list_condition::gated(request.type));
  for (const std::string& tag : all_tags(request)) {
    conditions.push_back(list_condition::tag(request.type, tag));
  }
  for (const std::string& word : request.searches) {
    for (const std::string& part : search.parts(word)) {
      conditions.push_back(list_condition::name_part(request.type, part));
    }
  }
  // Not all are looked at if there are very many: not fifty times the same.
  std::set<std::string> seen;
  std::erase_if(conditions, [&](const std::string& name) { return !seen.insert(name).second; });
  return conditions;
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
                    const RepoSearch& search, std::string_view id_column) {
  const std::string has_tag = replace_all(kTag, "@", id_column);
  const std::string is_linked = replace_all(kLinked, "@", id_column);
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
  for (const std::string& tag : request.tags) statement.also(has_tag, {tag});
  if (request.pipeline_tag) statement.also(kPipeline, {*request.pipeline_tag});
  if (request.gated) statement.also(*request.gated ? kGated : kNotGated);
  for (const std::string& name : request.apps) {
    const auto* app = std::ranges::find(kApps, std::string_view(name), &App::name);
    if (app == std::end(kApps)) {
      statement.also(kNothing);
    } else {
      statement.also(has_tag, {app->tag});
    }
  }
  if (request.only_served) statement.also(kNothing);
  if (request.parameters_min) statement.also(kParametersMin, {*request.parameters_min});
  if (request.parameters_max) statement.also(kParametersMax, {*request.parameters_max});
  for (const std::string& id : request.linked_models) {
    statement.also(is_linked, {"model", to_lower(id)});
  }
  for (const std::string& id : request.linked_datasets) {
    statement.also(is_linked, {"dataset", to_lower(id)});
  }
}

/// Where a walk in the list's order stands.
struct Walk {
  const ListRequest& request;
  SortColumns sort = sort_columns(request.sort);
  bool by_text = request.sort == SortKey::kId;

  void begin(Statement& statement) const {
    statement.add("SELECT ");
    statement.add(sort.id);
    statement.add(", ");
    statement.add(sort.key);
  }
  /// All of the type, from the table of the sort key alone.
  void all(Statement& statement) const {
    statement.add(
        sort.of_rank ? " FROM repo_rank k WHERE k.type = ?" : " FROM repo r WHERE r.type = ?",
        {to_string(request.type)});
  }
  /// The same with the numbers of hub/list_sets, for those that have one.
  void all_numbered(Statement& statement) const {
    statement.add(sort.of_rank
                      ? " FROM repo_rank k LEFT JOIN list_number n ON n.repo_id = k.repo_id"
                        " WHERE k.type = ?"
                      : " FROM repo r LEFT JOIN list_number n ON n.repo_id = r.id"
                        " WHERE r.type = ?",
                  {to_string(request.type)});
  }
  /// Behind `after` and up to `last`, in the order of the list, so that an index over key and id
  /// bounds the walk; as do conditions on the key itself, where nothing closer is known: an
  /// author's names stand together in the order of names.
  void bound(Statement& statement, const std::optional<ListPosition>& after,
             const std::optional<ListPosition>& last) const {
    const auto& low = request.ascending ? after : last;
    const auto& high = request.ascending ? last : after;
    auto to = [&](std::string_view comparison, const ListPosition& at) {
      statement.add(" AND (");
      statement.add(sort.key);
      statement.add(", ");
      statement.add(sort.id);
      statement.add(comparison, {by_text ? db::Value(at.text) : db::Value(at.number), at.id});
    };
    auto to_key = [&](std::string_view comparison, db::Value value) {
      statement.add(" AND ");
      statement.add(sort.key);
      statement.add(comparison, {std::move(value)});
    };
    if (low) {
      to(request.ascending ? ") > (?, ?)" : ") >= (?, ?)", *low);
    } else if (by_text && request.author) {
      to_key(" >= ?", to_lower(*request.author) + "/");
    } else if (request.sort == SortKey::kParameters &&
               (request.parameters_min || request.parameters_max)) {
      to_key(" >= ?", request.parameters_min.value_or(0));
    }
    if (high) {
      to(request.ascending ? ") <= (?, ?)" : ") < (?, ?)", *high);
    } else if (by_text && request.author) {
      to_key(" < ?", to_lower(*request.author) + "0");
    } else if (request.sort == SortKey::kParameters && request.parameters_max) {
      to_key(" <= ?", *request.parameters_max);
    }
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

/// One page, found in whichever way.
class PageQuery {
 public:
  PageQuery(db::Tx& tx, const ListRequest& request, const ListScope& scope,
            const std::optional<ListPosition>& after, size_t limit, const RepoSearch& search,
            const ListEffort& effort)
      : tx_(tx),
        request_(request),
        scope_(scope),
        after_(after),
        limit_(limit),
        search_(search),
        effort_(effort),
        walk_{request},
        sources_(sources_of(request, search)) {}

  std::vector<ListHit> run() {
    if (nothing_can_match()) return {};
    if (sources_.empty()) return by_order(std::nullopt);
    if (effort_.way == ListEffort::Way::kNumbers) {
      if (auto hits = by_numbers()) return std::move(*hits);
    }
    return by_statements();
  }

 private:
  /// Known before anything is read.
  bool nothing_can_match() const {
    auto is_unknown = [](const std::string& name) {
      return std::ranges::find(kApps, std::string_view(name), &App::name) == std::end(kApps);
    };
    return request_.only_served || std::ranges::any_of(request_.apps, is_unknown);
  }

  std::vector<ListHit> by_statements() {
    if (const Source* few = smallest(tx_, sources_, effort_.few_max)) return by_source(*few);
    auto distance = std::max(effort_.few_max, page_size() * effort_.stretch_of_page);
    if (auto hits = by_stretch(distance)) return std::move(*hits);
    const Source* source = smallest(tx_, sources_, kManyMax);
    return by_source(source != nullptr ? *source : sources_.front());
  }

  /// Nothing when the sets do not tell of the conditions, or of too many repositories.
  std::optional<std::vector<ListHit>> by_numbers() {
    std::vector<std::string> conditions = conditions_of(request_, search_);
    if (conditions.empty()) return std::nullopt;
    auto noted = noted_repos(tx_, effort_.noted_max);
    if (!noted) return std::nullopt;
    auto left = repos_with_all(tx_, std::move(conditions));
    if (!left) return std::nullopt;
    auto count = static_cast<int64_t>(left->size());
    bool many = left->size() > effort_.sorted_max;
    int64_t all_count = 0;
    if (many) {
      if (const Source* few = few_by_parameters(count)) return by_source(*few);
      auto all = repos_with_all(tx_, {list_condition::any(request_.type)});
      if (!all) return std::nullopt;
      all_count = static_cast<int64_t>(all->size());
      int64_t average = page_size() * all_count / count;
      // The steps that reading the ids would cost are at least twice those of an average page: most
      // pages are full by then.
      if (2 * average * effort_.ids_of_a_step <= count) {
        IdSet more;
        for (const std::string& id : *noted) more.add(id);
        int64_t steps = count / std::max<int64_t>(effort_.ids_of_a_step, 1);
        if (auto hits = walk_to({.numbers = &*left, .ids = &more}, count, all_count, steps)) {
          return hits;
        }
      }
    }
    IdSet ids;
    for (const std::string& id : *noted) ids.add(id);
    for_each_repo_id(tx_, *left, [&](std::string_view id) { ids.add(id); });
    if (many) {
      count = static_cast<int64_t>(ids.size());
      if (auto hits = walk_to({.ids = &ids}, count, all_count, count * effort_.walk_of_one)) {
        return hits;
      }
    }
    return by_ids(ids.ids(), after_, page_size());
  }

  /// The one condition that the sets do not know, where it leaves few, and fewer than `count`.
  const Source* few_by_parameters(int64_t count) {
    auto source = std::ranges::find(sources_, kOfParameters, &Source::sql);
    if (source == sources_.end()) return nullptr;
    int64_t least = std::min(count, effort_.few_max);
    return count_of(tx_, *source, least) < least ? &*source : nullptr;
  }

  int64_t page_size() const { return static_cast<int64_t>(limit_); }

  std::vector<ListHit> by_source(const Source& source) {
    Statement statement;
    walk_.begin(statement);
    statement.add(" FROM (");
    statement.add(source.sql, source.values);
    statement.add(
        ") d CROSS JOIN repo r CROSS JOIN repo_rank k WHERE r.id = d.repo_id"
        " AND k.repo_id = d.repo_id AND r.type = ? AND r.deleted_ms IS NULL",
        {to_string(request_.type)});
    add_conditions(statement, request_, scope_, search_, "d.repo_id");
    walk_.bound(statement, after_, std::nullopt);
    walk_.end(statement, page_size());
    return walk_.run(tx_, statement);
  }

  std::vector<ListHit> by_order(const std::optional<ListPosition>& last) {
    Statement statement;
    walk_.begin(statement);
    statement.add(walk_.sort.of_rank ? kByRank : kByName, {to_string(request_.type)});
    add_conditions(statement, request_, scope_, search_, walk_.sort.id);
    walk_.bound(statement, after_, last);
    walk_.end(statement, page_size());
    return walk_.run(tx_, statement);
  }

  /// By order, over a stretch; nothing when that does not fill the page.
  std::optional<std::vector<ListHit>> by_stretch(int64_t distance) {
    auto last = further_on(distance);
    auto hits = by_order(last);
    if (last && hits.size() < limit_) return std::nullopt;
    return hits;
  }

  /// The repository `distance` further on in the order, whatever it is; nothing near the end.
  std::optional<ListPosition> further_on(int64_t distance) {
    Statement statement;
    walk_.begin(statement);
    walk_.all(statement);
    walk_.bound(statement, after_, std::nullopt);
    walk_.end(statement, 1, distance);
    auto hits = walk_.run(tx_, statement);
    return hits.empty() ? std::nullopt : std::optional(hits.front().position);
  }

  /// Those of the ids that hold all conditions.
  std::vector<ListHit> by_ids(const std::vector<std::string>& ids,
                              const std::optional<ListPosition>& after, int64_t limit) {
    if (ids.empty()) return {};
    Statement statement;
    walk_.begin(statement);
    statement.add(kOfIds, {db::in_list(ids), to_string(request_.type)});
    add_conditions(statement, request_, scope_, search_, "r.id");
    walk_.bound(statement, after, std::nullopt);
    walk_.end(statement, limit);
    return walk_.run(tx_, statement);
  }

  /// Repositories that the walk looks for: one of these numbers, where they are asked for, or one
  /// of these ids.
  struct Wanted {
    const NumberSet* numbers = nullptr;
    const IdSet* ids = nullptr;
  };

  /// In the order of the list from one that is wanted (of about `count`) to the next, until the
  /// page is full; nothing when that takes more than so many steps.
  std::optional<std::vector<ListHit>> walk_to(const Wanted& wanted, int64_t count,
                                              int64_t repo_count, int64_t steps_left) {
    std::vector<ListHit> hits;
    std::optional<ListPosition> at = after_;
    // Some are private, or lack what no source tells of; the more do, the more are tried at once.
    size_t batch_size = limit_ + limit_ / 4 + 4;
    for (; steps_left > 0; batch_size *= 2) {
      // Twice what that takes on average: PostgreSQL sends all that was asked for.
      auto average =
          static_cast<int64_t>(batch_size) * repo_count / std::max<int64_t>(count, int64_t{1});
      int64_t rows_max = std::min(steps_left, kRowsOfWalkMin + 2 * average);
      Walked walked = next_of(wanted, at, rows_max, batch_size);
      auto found = by_ids(walked.ids, std::nullopt, static_cast<int64_t>(limit_ - hits.size()));
      std::ranges::move(found, std::back_inserter(hits));
      bool at_end = walked.rows < rows_max && walked.ids.size() < batch_size;
      if (at_end || hits.size() >= limit_) return hits;
      steps_left -= walked.rows;
      at = position_of(walked.last_id);
    }
    return std::nullopt;
  }

  struct Walked {
    std::vector<std::string> ids;  // Of those that are wanted
    int64_t rows = 0;
    std::string last_id = {};  // Of the rows
  };

  /// The next ids after `at` that are wanted.
  Walked next_of(const Wanted& wanted, const std::optional<ListPosition>& at, int64_t rows_max,
                 size_t count_max) {
    Statement statement;
    statement.add("SELECT ");
    if (wanted.numbers != nullptr) statement.add("COALESCE(n.number || ' ', ' ') || ");
    statement.add(walk_.sort.id);
    if (wanted.numbers != nullptr) {
      walk_.all_numbered(statement);
    } else {
      walk_.all(statement);
    }
    walk_.bound(statement, at, std::nullopt);
    walk_.end(statement, rows_max);
    Walked walked;
    tx_.for_each_text(statement.sql(), statement.params(), [&](std::string_view id) {
      if (walked.ids.size() == count_max) return false;
      bool is_wanted = false;
      if (wanted.numbers != nullptr) {
        size_t space = id.find(' ');
        uint32_t number = 0;
        bool has_number = std::from_chars(id.data(), id.data() + space, number).ec == std::errc();
        id.remove_prefix(space + 1);
        is_wanted = has_number && wanted.numbers->contains(number);
      }
      ++walked.rows;
      walked.last_id = id;
      if (is_wanted || wanted.ids->contains(id)) walked.ids.emplace_back(id);
      return true;
    });
    return walked;
  }

  ListPosition position_of(const std::string& id) {
    Statement statement;
    walk_.begin(statement);
    statement.add(walk_.sort.of_rank ? " FROM repo_rank k WHERE k.repo_id = ?"
                                     : " FROM repo r WHERE r.id = ?",
                  {id});
    return walk_.run(tx_, statement).front().position;
  }

  db::Tx& tx_;
  const ListRequest& request_;
  const ListScope& scope_;
  const std::optional<ListPosition>& after_;
  size_t limit_;
  const RepoSearch& search_;
  const ListEffort& effort_;
  Walk walk_;
  std::vector<Source> sources_;
};

}  // namespace

std::vector<ListHit> query_list(db::Tx& tx, const ListRequest& request, const ListScope& scope,
                                const std::optional<ListPosition>& after, size_t limit,
                                const RepoSearch& search, const ListEffort& effort) {
  return PageQuery(tx, request, scope, after, limit, search, effort).run();
}

}  // namespace hearth::hub
