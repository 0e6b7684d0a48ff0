// Lists of models, datasets and Spaces (hub-api 5.2).

#include <array>

#include "api/api.h"
#include "cards/cards.h"
#include "hub/listing.h"

namespace hearth::api {
namespace {

http::Response list(Call& call) {
  auto request = hub::ListRequest::parse(call.repo_type, call.query);
  hub::ListPage page = call.services.listing->list(request, call.who());
  http::Response response = reply(page.items);
  if (!page.next_cursor.empty()) add_next_link(response, call, page.next_cursor);
  return response;
}

http::Response tags_by_type(Call& call) {
  bool datasets = call.head.raw_path.starts_with("/api/datasets");
  return reply(cards::tags_by_type(datasets ? cards::RepoKind::kDataset : cards::RepoKind::kModel));
}

constexpr std::array kRoutes = {
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
