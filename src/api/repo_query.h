#pragma once
// What rows that answer repositories have in common.

#include "api/api.h"

namespace hearth::api {

/// Source of the names: hub/repo_json.cc, which refuses others; the names of one type mean nothing
/// for another.
inline constexpr QueryParameter kExpandParameter{
    .name = "expand",
    .type = QueryParameter::Type::kText,
    .what = "Only these fields, each of those that the type has.",
    .values =
        "author|baseModels|cardData|childrenModelCount|citation|config|createdAt|datasets|"
        "description|disabled|downloads|downloadsAllTime|evalResults|gated|gguf|gitalyUid|"
        "inference|inferenceProviderMapping|lastModified|library_name|likes|mainSize|mask_token|"
        "model-index|models|paperswithcode_id|pipeline_tag|private|region|resourceGroup|runtime|"
        "safetensors|sdk|sha|siblings|spaces|subdomain|tags|transformersInfo|trendingScore|"
        "usedStorage|widgetData|xetEnabled",
    .repeated = true};

}  // namespace hearth::api
