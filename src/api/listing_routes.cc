// Lists of models, datasets and Spaces (hub-api 5.2).

#include <algorithm>
#include <array>

#include "api/answer_memory.h"
#include "api/api.h"
#include "api/limits.h"
#include "api/repo_query.h"
#include "cards/cards.h"
#include "hub/limits.h"
#include "hub/listing.h"

namespace hearth::api {
namespace {

http::Response make_list(Call& call) {
  auto request = hub::ListRequest::parse(call.repo_type, call.query);
  hub::ListPage page = call.services.listing->list(request, call.who());
  http::Response response = reply(page.items);
  if (!page.next_cursor.empty()) add_next_link(response, call, page.next_cursor);
  return response;
}

http::Response list(Call& call) {
  // A list shows what the database says, and no commit.
  return call.services.answers->answer(call, "", [&] { return make_list(call); });
}

/// What is downloaded most these days, of one type or of all.
http::Response trending(Call& call) {
  std::string wanted = call.query.get("type").value_or("all");
  auto only = hub::parse_repo_type(wanted);
  if (!only && wanted != "all") {
    throw Error(ErrorKind::kInvalid, "The 'type' is model, dataset, space or all.");
  }
  size_t limit = std::clamp<uint64_t>(call.query.number("limit").value_or(10), 1, kTrendingMax);
  std::vector<json::object> found;
  for (auto type : {hub::RepoType::kModel, hub::RepoType::kDataset, hub::RepoType::kSpace}) {
    if (only && *only != type) continue;
    auto request = hub::ListRequest::parse(type, Query(""));
    request.sort = hub::SortKey::kTrending;
    request.limit = limit;
    for (json::value& item : call.services.listing->list(request, call.who()).items) {
      found.push_back({{"repoData", std::move(item)}, {"repoType", hub::to_string(type)}});
    }
  }
  std::ranges::stable_sort(found, std::ranges::greater(), [](const json::object& entry) {
    return get_int(*get_object(entry, "repoData"), "trendingScore").value_or(0);
  });
  found.resize(std::min(found.size(), limit));
  return reply(json::object{{"recentlyTrending", json::array(found.begin(), found.end())}});
}

http::Response tags_by_type(Call& call) {
  bool datasets = call.head.raw_path.starts_with("/api/datasets");
  return reply(cards::tags_by_type(datasets ? cards::RepoKind::kDataset : cards::RepoKind::kModel));
}

constexpr std::array kTrendingQuery = {
    QueryParameter{.name = "type",
                   .type = QueryParameter::Type::kText,
                   .what = "Of which type; others are refused.",
                   .values = "all|model|dataset|space"},
    QueryParameter{.name = "limit",
                   .type = QueryParameter::Type::kNumber,
                   .what = "How many.",
                   .min = 1,
                   .max = kTrendingMax},
};

// Read in hub/listing.cc, ListRequest::parse.
constexpr std::array kListQuery = {
    QueryParameter{.name = "search",
                   .type = QueryParameter::Type::kText,
                   .what = "Words of the name, in any order.",
                   .repeated = true},
    QueryParameter{.name = "author",
                   .type = QueryParameter::Type::kText,
                   .what = "Only repositories of this account or organisation."},
    QueryParameter{.name = "filter",
                   .type = QueryParameter::Type::kText,
                   .what = "Tags that all must be there.",
                   .repeated = true},
    QueryParameter{.name = "tags",
                   .type = QueryParameter::Type::kText,
                   .what = "The same as `filter`.",
                   .repeated = true},
    QueryParameter{.name = "gated",
                   .type = QueryParameter::Type::kFlag,
                   .what = "Only gated repositories, or only open ones."},
    QueryParameter{.name = "pipeline_tag",
                   .type = QueryParameter::Type::kText,
                   .what = "Models of this task."},
    QueryParameter{.name = "apps",
                   .type = QueryParameter::Type::kText,
                   .what = "Models for these applications; with commas between.",
                   .repeated = true},
    QueryParameter{.name = "inference",
                   .type = QueryParameter::Type::kText,
                   .what = "\"warm\": models that a provider serves, which none does here."},
    QueryParameter{.name = "inference_provider",
                   .type = QueryParameter::Type::kText,
                   .what = "The same, by provider; with commas between.",
                   .repeated = true},
    QueryParameter{.name = "num_parameters",
                   .type = QueryParameter::Type::kText,
                   .what = "Models of a size: \"min:6B,max:128B\", either side may be absent."},
    QueryParameter{.name = "models",
                   .type = QueryParameter::Type::kText,
                   .what = "Spaces that use these models; with commas between.",
                   .repeated = true},
    QueryParameter{.name = "datasets",
                   .type = QueryParameter::Type::kText,
                   .what = "Spaces that use these datasets; with commas between.",
                   .repeated = true},
    QueryParameter{
        .name = "sort",
        .type = QueryParameter::Type::kText,
        .what = "By what; others are refused.",
        .values =
            "trendingScore|trending_score|lastModified|last_modified|modified|"
            "createdAt|created_at|downloads|likes|likes30d|likes7d|num_parameters|mainSize|id"},
    QueryParameter{.name = "direction",
                   .type = QueryParameter::Type::kText,
                   .what = "\"1\": the lowest first; \"-1\": the highest first.",
                   .values = "1|-1"},
    kExpandParameter,
    QueryParameter{.name = "full",
                   .type = QueryParameter::Type::kFlag,
                   .what = "More fields: author, commit, dates and files."},
    QueryParameter{.name = "cardData",
                   .type = QueryParameter::Type::kFlag,
                   .what = "With the metadata of the card."},
    QueryParameter{.name = "config",
                   .type = QueryParameter::Type::kFlag,
                   .what = "Models: with what their config.json says."},
    QueryParameter{.name = "fetch_config",
                   .type = QueryParameter::Type::kFlag,
                   .what = "The same as `config`."},
    QueryParameter{.name = "linked",
                   .type = QueryParameter::Type::kFlag,
                   .what = "Spaces: with the models and datasets that they use."},
    kCursorParameter,
    QueryParameter{.name = "limit",
                   .type = QueryParameter::Type::kNumber,
                   .what = "How many in a page; fewer with files or cards.",
                   .min = 1,
                   .max = hub::kListPageMax},
};

constexpr std::array kRoutes = {
    Route{.method = "GET",
          .pattern = "/api/trending",
          .allow = Allow::kAnyone,
          .handler = trending,
          .summary = "What is downloaded most these days, as far as the caller sees it.",
          .source = "operations.tsv, Get trending",
          .query = kTrendingQuery,
          .answer = "Trending"},
    Route{.method = "GET",
          .pattern = "/api/models-tags-by-type",
          .allow = Allow::kAnyone,
          .handler = tags_by_type,
          .summary = "The tags of models that have a fixed meaning, by type.",
          .source = "huggingface_hub hf_api.py get_model_tags",
          .answer = "TagsByType",
          .any_credential = true},
    Route{.method = "GET",
          .pattern = "/api/datasets-tags-by-type",
          .allow = Allow::kAnyone,
          .handler = tags_by_type,
          .summary = "The tags of datasets that have a fixed meaning, by type.",
          .source = "huggingface_hub hf_api.py get_dataset_tags",
          .answer = "TagsByType",
          .any_credential = true},
    Route{.method = "GET",
          .pattern = "/api/{types}",
          .allow = Allow::kAnyone,
          .handler = list,
          .summary = "Repositories that the caller may see, filtered, sorted, in pages.",
          .source = "huggingface_hub hf_api.py list_models, list_datasets, list_spaces; "
                    "@huggingface/hub list-models",
          .query = kListQuery,
          .answer = "Repos",
          .answer_headers = "Link?"},
};

}  // namespace

std::span<const Route> listing_routes() {
  return kRoutes;
}

}  // namespace hearth::api
