#include "hub/listing.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/bytes.h"
#include "base/text.h"
#include "db/db.h"
#include "hub/large_answers.h"
#include "hub/limits.h"
#include "hub/listing_store.h"
#include "hub/repository_store.h"

namespace hearth::hub {
namespace {

struct SortName {
  std::string_view name;
  SortKey key;
};
constexpr SortName kSorts[] = {{"trendingScore", SortKey::kTrending},
                               {"trending_score", SortKey::kTrending},
                               {"lastModified", SortKey::kLastModified},
                               {"last_modified", SortKey::kLastModified},
                               {"modified", SortKey::kLastModified},
                               {"createdAt", SortKey::kCreatedAt},
                               {"created_at", SortKey::kCreatedAt},
                               {"downloads", SortKey::kDownloads},
                               {"likes", SortKey::kLikes},
                               {"likes30d", SortKey::kLikesMonth},
                               {"likes7d", SortKey::kLikesMonth},
                               {"num_parameters", SortKey::kParameters},
                               {"mainSize", SortKey::kMainSize},
                               {"id", SortKey::kId}};

const FieldSet& default_fields(RepoType type) {
  static const FieldSet kModel = {"modelId",      "private",      "likes",
                                  "downloads",    "tags",         "trendingScore",
                                  "pipeline_tag", "library_name", "createdAt"};
  static const FieldSet kDataset = {
      "author",        "sha",         "lastModified", "createdAt",        "private",
      "gated",         "disabled",    "likes",        "downloads",        "tags",
      "trendingScore", "description", "citation",     "paperswithcode_id"};
  static const FieldSet kSpace = {"private", "likes", "sdk", "tags", "createdAt", "trendingScore"};
  switch (type) {
    case RepoType::kModel:
      return kModel;
    case RepoType::kDataset:
      return kDataset;
    case RepoType::kSpace:
      return kSpace;
  }
  return kModel;
}

/// Repeated keys, and lists with commas as JavaScript clients send them.
std::vector<std::string> comma_list(const Query& query, std::string_view key) {
  std::vector<std::string> out;
  for (const std::string& value : query.get_all(key)) {
    for (std::string_view part : split(value, ',')) {
      if (!trim(part).empty()) out.emplace_back(trim(part));
    }
  }
  return out;
}

/// "6B" -> 6'000'000'000; K, M, B, T or nothing.
int64_t parse_count(std::string_view text) {
  double factor = 1;
  if (!text.empty()) {
    switch (text.back()) {
      case 'K':
      case 'k':
        factor = 1e3;
        break;
      case 'M':
      case 'm':
        factor = 1e6;
        break;
      case 'B':
      case 'b':
      case 'G':
        factor = 1e9;
        break;
      case 'T':
      case 't':
        factor = 1e12;
        break;
      default:
        break;
    }
    if (factor > 1) text.remove_suffix(1);
  }
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  double count = number * factor;
  if (error != std::errc() || end != text.data() + text.size() || !(count >= 0) || count > 9e18) {
    throw Error(
        ErrorKind::kInvalid,
        "\"num_parameters\" must look like \"min:6B,max:128B\"; either side may be absent.");
  }
  return static_cast<int64_t>(std::llround(count));
}

void parse_parameters(const std::string& text, ListRequest& request) {
  for (std::string_view part : split(text, ',')) {
    part = trim(part);
    if (part.starts_with("min:")) {
      request.parameters_min = parse_count(part.substr(4));
    } else if (part.starts_with("max:")) {
      request.parameters_max = parse_count(part.substr(4));
    } else if (!part.empty()) {
      parse_count("?");  // Throws.
    }
  }
}

void parse_sort(const Query& query, ListRequest& request) {
  std::string name = query.get("sort").value_or("trendingScore");
  const auto* sort = std::ranges::find(kSorts, std::string_view(name), &SortName::name);
  if (sort == std::end(kSorts)) {
    throw Error(ErrorKind::kInvalid,
                "\"sort\" must be one of lastModified, createdAt, downloads, likes, trendingScore, "
                "likes30d, num_parameters, mainSize, id.");
  }
  request.sort = sort->key;
  // Names go from a to z unless the other way is asked for; everything else from the top.
  std::string direction = query.get("direction").value_or("");
  request.ascending = direction == "1" || (request.sort == SortKey::kId && direction != "-1");
}

void parse_fields(const Query& query, ListRequest& request) {
  std::vector<std::string> expand = query.get_all("expand");
  if (!expand.empty()) {
    request.fields = expand_fields(request.type, expand);
    return;
  }
  FieldSet fields = default_fields(request.type);
  if (query.flag("full")) {
    fields.insert({"author", "sha", "lastModified", "gated", "disabled", "siblings"});
    if (request.type != RepoType::kModel) fields.insert("cardData");
  }
  if (request.type == RepoType::kModel) {
    if (query.flag("cardData")) fields.insert("cardData");
    if (query.flag("config") || query.flag("fetch_config")) fields.insert("config");
  }
  if (request.type == RepoType::kSpace && query.flag("linked")) {
    fields.insert({"models", "datasets"});
  }
  request.fields = std::move(fields);
}

void check_length(std::string_view text) {
  if (text.size() > kFilterBytesMax) {
    throw Error(ErrorKind::kInvalid, "A search or filter of a list has at most 300 bytes.");
  }
}

void check_conditions(const ListRequest& request) {
  size_t count = 0;
  for (const auto* list : {&request.searches, &request.tags, &request.apps, &request.linked_models,
                           &request.linked_datasets}) {
    count += list->size();
    for (const std::string& text : *list) {
      check_length(text);
    }
  }
  check_length(request.author.value_or(""));
  check_length(request.pipeline_tag.value_or(""));
  if (count > kFilterCountMax) {
    throw Error(ErrorKind::kInvalid, "A list takes at most 50 searches and filters.");
  }
}

/// What a statement takes as a parameter: others match nothing, so they are refused early.
bool storable(std::string_view text) {
  return is_utf8(text) && text.find('\0') == std::string_view::npos;
}

std::string encode_cursor(const ListRequest& request, const ListPosition& position) {
  json::array parts;
  parts.push_back(static_cast<int64_t>(request.sort));
  if (request.sort == SortKey::kId) {
    parts.emplace_back(position.text);
  } else {
    parts.emplace_back(position.number);
  }
  parts.emplace_back(position.id);
  return to_base64url(as_bytes(json::serialize(parts)));
}

std::optional<ListPosition> decode_cursor(const ListRequest& request) {
  if (request.cursor.empty()) return std::nullopt;
  auto fail = []() -> ListPosition {
    throw Error(ErrorKind::kInvalid, "\"cursor\" is not one of this list.");
  };
  auto bytes = from_base64url(request.cursor);
  if (!bytes || bytes->size() > 1000) return fail();
  auto parsed = parse_json(as_text(*bytes));
  const json::array* parts = parsed ? parsed->if_array() : nullptr;
  if (parts == nullptr || parts->size() != 3 || !parts->at(2).is_string()) return fail();
  if (parts->at(0) != json::value(static_cast<int64_t>(request.sort))) return fail();
  ListPosition position;
  position.id = as_view(parts->at(2).get_string());
  if (request.sort == SortKey::kId) {
    if (!parts->at(1).is_string()) return fail();
    position.text = as_view(parts->at(1).get_string());
  } else {
    if (!parts->at(1).is_int64()) return fail();
    position.number = parts->at(1).get_int64();
  }
  if (!storable(position.id) || !storable(position.text)) return fail();
  return position;
}

ListScope scope_of(const Identity* who) {
  ListScope scope;
  if (who == nullptr) return scope;
  scope.everything = who->is_admin;
  scope.namespace_ids.push_back(who->user_id);
  for (const Membership& membership : who->orgs) scope.namespace_ids.push_back(membership.org_id);
  return scope;
}

/// The repositories of the hits that the caller may see, in the order of the hits.
std::vector<Repo> visible_repos(db::Tx& tx, const std::vector<ListHit>& hits, const Access& access,
                                const Identity* who) {
  std::vector<std::string> ids;
  for (const ListHit& hit : hits) ids.push_back(hit.position.id);
  std::map<std::string, Repo> by_id;
  for (Repo& repo : find_repo_rows(tx, ids)) {
    std::string id = repo.id;
    by_id.emplace(std::move(id), std::move(repo));
  }
  std::vector<Repo> repos;
  for (const std::string& id : ids) {
    auto repo = by_id.find(id);
    if (repo == by_id.end() || !access.may(who, repo->second, RepoAction::kSee)) continue;
    repos.push_back(std::move(repo->second));
  }
  return repos;
}

}  // namespace

ListRequest ListRequest::parse(RepoType type, const Query& query) {
  ListRequest request;
  request.type = type;
  for (const std::string& search : query.get_all("search")) {
    // Words may stand in any order: "bert tiny" finds tiny-bert.
    for (std::string_view word : split(search, ' ')) {
      if (!word.empty()) request.searches.emplace_back(word);
    }
  }
  request.author = query.get("author");
  request.tags = query.get_all("filter");
  for (const std::string& tag : query.get_all("tags")) request.tags.push_back(tag);
  std::erase_if(request.tags, [](const std::string& tag) { return tag.empty(); });
  if (query.has("gated")) request.gated = query.flag("gated");
  request.cursor = query.get("cursor").value_or("");
  if (auto limit = query.number("limit"); limit && *limit > 0) {
    request.limit = static_cast<size_t>(std::min<uint64_t>(*limit, kListPageMax));
  }
  if (type == RepoType::kModel) {
    request.pipeline_tag = query.get("pipeline_tag");
    request.apps = comma_list(query, "apps");
    // Nothing serves models yet, so none is warm at any provider.
    request.only_served =
        query.get("inference") == "warm" || !comma_list(query, "inference_provider").empty();
    if (auto range = query.get("num_parameters")) parse_parameters(*range, request);
  }
  if (type == RepoType::kSpace) {
    request.linked_models = comma_list(query, "models");
    request.linked_datasets = comma_list(query, "datasets");
  }
  parse_sort(query, request);
  parse_fields(query, request);
  check_conditions(request);
  return request;
}

ListPage Listing::list(const ListRequest& request, const Identity* who) {
  auto bad = [](const std::string& text) { return !storable(text); };
  if (std::ranges::any_of(request.searches, bad) || std::ranges::any_of(request.tags, bad) ||
      std::ranges::any_of(request.apps, bad) || std::ranges::any_of(request.linked_models, bad) ||
      std::ranges::any_of(request.linked_datasets, bad) ||
      (request.author && bad(*request.author)) ||
      (request.pipeline_tag && bad(*request.pipeline_tag))) {
    throw Error(ErrorKind::kInvalid, "A filter is not valid UTF-8 text.");
  }
  size_t limit = std::min(std::max<size_t>(request.limit, 1), kListPageMax);
  for (std::string_view heavy : {"siblings", "cardData", "config", "spaces", "widgetData"}) {
    if (request.fields.contains(heavy)) limit = std::min(limit, kFullListPageMax);
  }
  (void)decode_cursor(request);  // Throws what is wrong with it.
  // On a hub that is closed to strangers nothing would pass; do not look at every row for that.
  if (who == nullptr && !access_.may(nullptr, Repo{}, RepoAction::kSee)) return {};
  PathBytes paths{.max = kSmallAnswerPathBytes};
  std::shared_ptr<const void> room;
  while (true) {
    auto page = database_.read([&](db::Tx& tx) { return page_of(tx, request, limit, who, paths); });
    if (page) {
      page->room = std::move(room);
      return std::move(*page);
    }
    // Outside of the transaction: waiting may take its time.
    paths.max = std::max(kListPathBytesMax, paths.found);
    room.reset();
    room = large_answers().take(paths.max);
  }
}

std::optional<ListPage> Listing::page_of(db::Tx& tx, const ListRequest& request, size_t limit,
                                         const Identity* who, PathBytes& paths) {
  ListScope scope = scope_of(who);
  std::optional<ListPosition> position = decode_cursor(request);
  std::vector<Repo> repos;
  std::map<std::string, ListPosition> positions;
  bool more = true;
  // The scope lets through what a narrow token may not see; go on until the page is full.
  while (more && repos.size() < limit) {
    size_t wanted = limit - repos.size();
    std::vector<ListHit> hits = query_list(tx, request, scope, position, wanted + 1, search_);
    more = hits.size() > wanted;
    if (more) hits.pop_back();
    for (Repo& repo : visible_repos(tx, hits, access_, who)) repos.push_back(std::move(repo));
    for (ListHit& hit : hits) positions[hit.position.id] = hit.position;
    if (!hits.empty()) position = hits.back().position;
  }
  std::vector<RepoView> views;
  while (true) {
    paths.found = 0;
    views = load_views(tx, repos, request.fields, access_, who, paths);
    if (!paths.too_many()) break;
    if (paths.max < kListPathBytesMax || repos.size() == 1) return std::nullopt;
    repos.resize(repos.size() / 2);
    position = positions.at(repos.back().id);
    more = true;
  }
  ListPage page;
  for (const RepoView& view : views) page.items.push_back(repo_json(view, request.fields));
  if (more) page.next_cursor = encode_cursor(request, *position);
  return page;
}

RepoView load_view(db::Database& database, const Repo& repo, const FieldSet& fields,
                   const Access& access, const Identity* who) {
  PathBytes paths{.max = kSmallAnswerPathBytes};
  std::shared_ptr<const void> room;
  while (true) {
    paths.found = 0;
    auto views = database.read(
        [&](db::Tx& tx) { return load_views(tx, {repo}, fields, access, who, paths); });
    if (!paths.too_many()) {
      views.front().room = std::move(room);
      return std::move(views.front());
    }
    paths.max = paths.found;
    room.reset();
    room = large_answers().take(paths.max);
  }
}

}  // namespace hearth::hub
