// Lists of models, datasets and Spaces (hub-api 5.2).

#include <algorithm>
#include <array>

#include "api/answer_memory.h"
#include "api/api.h"
#include "api/limits.h"
#include "cards/cards.h"
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

constexpr std::array kRoutes = {
    Route{.method = "GET",
          .pattern = "/api/trending",
          .allow = Allow::kAnyone,
          .handler = trending,
          .summary = "What is downloaded most these days, as far as the caller sees it.",
          .source = "operations.tsv, Get trending"},
    Route{.method = "GET",
          .pattern = "/api/models-tags-by-type",
          .allow = Allow::kAnyone,
          .handler = tags_by_type,
          .summary = "The tags of models that have a fixed meaning, by type.",
          .source = "huggingface_hub hf_api.py get_model_tags",
          .any_credential = true},
    Route{.method = "GET",
          .pattern = "/api/datasets-tags-by-type",
          .allow = Allow::kAnyone,
          .handler = tags_by_type,
          .summary = "The tags of datasets that have a fixed meaning, by type.",
          .source = "huggingface_hub hf_api.py get_dataset_tags",
          .any_credential = true},
    Route{.method = "GET",
          .pattern = "/api/{types}",
          .allow = Allow::kAnyone,
          .handler = list,
          .summary = "Repositories that the caller may see, filtered, sorted, in pages.",
          .source = "huggingface_hub hf_api.py list_models, list_datasets, list_spaces; "
                    "@huggingface/hub list-models"},
};

}  // namespace

std::span<const Route> listing_routes() {
  return kRoutes;
}

}  // namespace hearth::api
