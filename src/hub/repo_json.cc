#include "hub/repo_json.h"

#include <array>
#include <span>

#include "base/time.h"

namespace hearth::hub {
namespace {

// What `expand` may name, in the order of the clients' types (huggingface_hub 2.4.0 hf_api.py:
// ExpandModelProperty_T and its like), and the two more that the hosted hub names.
constexpr std::string_view kModelFields[] = {"author",
                                             "baseModels",
                                             "cardData",
                                             "childrenModelCount",
                                             "config",
                                             "createdAt",
                                             "disabled",
                                             "downloads",
                                             "downloadsAllTime",
                                             "evalResults",
                                             "gated",
                                             "gguf",
                                             "inference",
                                             "inferenceProviderMapping",
                                             "lastModified",
                                             "library_name",
                                             "likes",
                                             "mask_token",
                                             "model-index",
                                             "pipeline_tag",
                                             "private",
                                             "resourceGroup",
                                             "safetensors",
                                             "sha",
                                             "siblings",
                                             "spaces",
                                             "tags",
                                             "transformersInfo",
                                             "trendingScore",
                                             "usedStorage",
                                             "widgetData",
                                             "gitalyUid",
                                             "xetEnabled"};
constexpr std::string_view kDatasetFields[] = {"author",
                                               "cardData",
                                               "citation",
                                               "createdAt",
                                               "description",
                                               "disabled",
                                               "downloads",
                                               "downloadsAllTime",
                                               "gated",
                                               "lastModified",
                                               "likes",
                                               "mainSize",
                                               "paperswithcode_id",
                                               "private",
                                               "resourceGroup",
                                               "sha",
                                               "siblings",
                                               "tags",
                                               "trendingScore",
                                               "usedStorage",
                                               "gitalyUid",
                                               "xetEnabled"};
constexpr std::string_view kSpaceFields[] = {
    "author",      "cardData",  "createdAt", "datasets",  "disabled",      "lastModified",
    "likes",       "models",    "private",   "region",    "resourceGroup", "runtime",
    "sdk",         "sha",       "siblings",  "subdomain", "tags",          "trendingScore",
    "usedStorage", "gitalyUid", "xetEnabled"};

std::span<const std::string_view> names_of(RepoType type) {
  switch (type) {
    case RepoType::kModel:
      return kModelFields;
    case RepoType::kDataset:
      return kDatasetFields;
    case RepoType::kSpace:
      return kSpaceFields;
  }
  return kModelFields;
}

json::value gated_json(Gated gated) {
  switch (gated) {
    case Gated::kNo:
      return false;
    case Gated::kAuto:
      return "auto";
    case Gated::kManual:
      return "manual";
  }
  return false;
}

json::array texts_json(const std::vector<std::string>& texts) {
  json::array out;
  out.reserve(texts.size());
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

/// Writes the keys of one repository, each only when it is wanted.
class Writer {
 public:
  Writer(const RepoView& view, const FieldSet& fields) : view_(view), fields_(fields) {}

  json::object run() {
    const Repo& repo = view_.repo;
    out_["_id"] = repo.id;
    out_["id"] = repo.repo_id.full();
    put("modelId", [&] { return json::value(repo.repo_id.full()); });
    put("author", [&] { return json::value(repo.repo_id.namespace_name); });
    put("sha", [&] { return view_.sha.empty() ? json::value(nullptr) : json::value(view_.sha); });
    put("lastModified", [&] { return json::value(iso8601_ms(view_.last_modified_ms)); });
    put("createdAt", [&] { return json::value(iso8601_ms(repo.created_ms)); });
    put("private", [&] { return json::value(repo.is_private); });
    put("gated", [&] { return gated_json(repo.gated); });
    put("disabled", [&] { return json::value(repo.disabled); });
    put("downloads", [&] { return json::value(view_.downloads); });
    put("downloadsAllTime", [&] { return json::value(view_.downloads_all_time); });
    put("likes", [&] { return json::value(repo.likes); });
    put("trendingScore", [&] { return json::value(view_.trending_score); });
    put("tags", [&] { return json::value(texts_json(view_.facts.card.tags)); });
    switch (repo.type) {
      case RepoType::kModel:
        model();
        break;
      case RepoType::kDataset:
        dataset();
        break;
      case RepoType::kSpace:
        space();
        break;
    }
    put("cardData", [&] { return json::value(view_.facts.card.card); });
    if (fields_.contains("cardData"))
      put_text("cardError", view_.facts.card.card_error, "cardData");
    put("siblings", [&] { return siblings(); });
    if (view_.used_storage_bytes) {
      put("usedStorage", [&] { return json::value(*view_.used_storage_bytes); });
    }
    put("resourceGroup", [] { return json::value(nullptr); });
    put("gitalyUid", [&] { return json::value(repo.id); });
    put("xetEnabled", [] { return json::value(true); });
    return std::move(out_);
  }

 private:
  template <typename Make>
  void put(std::string_view key, Make make) {
    if (fields_.contains(key)) out_[json::string_view(key.data(), key.size())] = make();
  }
  /// Left out when empty. `field` names what asks for it, when that is another word.
  void put_text(std::string_view key, const std::string& text, std::string_view field = {}) {
    if (text.empty() || !fields_.contains(field.empty() ? key : field)) return;
    out_[json::string_view(key.data(), key.size())] = text;
  }
  void put_object(std::string_view key, const json::object& object) {
    if (!object.empty()) put(key, [&] { return json::value(object); });
  }
  void put_value(std::string_view key, const json::value& value) {
    if (!value.is_null()) put(key, [&] { return value; });
  }

  void model() {
    const RepoFacts& facts = view_.facts;
    put_text("pipeline_tag", facts.card.pipeline_tag);
    put_text("library_name", facts.card.library_name);
    put_text("mask_token", facts.mask_token);
    put_value("widgetData", facts.card.widget_data);
    put("model-index", [&] { return facts.card.model_index; });
    put_object("transformersInfo", facts.transformers_info);
    put_object("config", facts.config);
    put_value("safetensors", facts.safetensors);
    put_value("gguf", facts.gguf);
    put("spaces", [&] { return json::value(texts_json(view_.spaces)); });
    put("baseModels", [&] {
      json::array ids;
      for (const cards::BaseModel& base : facts.card.base_models) ids.emplace_back(base.id);
      return json::value(std::move(ids));
    });
    put("childrenModelCount", [&] { return json::value(view_.child_model_count); });
    put_value("evalResults", facts.eval_results);
    // No provider serves models of this hub: the list that clients read is empty.
    put("inferenceProviderMapping", [] { return json::value(json::array()); });
  }

  void dataset() {
    const RepoFacts& facts = view_.facts;
    put_text("description", facts.card.description);
    put_text("citation", get_string(facts.card.card, "citation").value_or(""));
    put_text("paperswithcode_id", get_string(facts.card.card, "paperswithcode_id").value_or(""));
    put("mainSize", [&] { return json::value(facts.main_bytes); });
  }

  void space() {
    put_text("sdk", view_.repo.sdk.empty() ? view_.facts.card.sdk : view_.repo.sdk);
    put_text("title", view_.facts.card.title);
    put_text("host", view_.host);
    put_text("subdomain", view_.subdomain);
    put_value("runtime", view_.runtime);
    put("models", [&] { return json::value(texts_json(view_.facts.card.models)); });
    put("datasets", [&] { return json::value(texts_json(view_.facts.card.datasets)); });
  }

  json::value siblings() {
    if (view_.siblings) return *view_.siblings;
    json::array out;
    out.reserve(view_.facts.paths.size());
    for (const std::string& path : view_.facts.paths) {
      out.emplace_back(json::object{{"rfilename", path}});
    }
    return out;
  }

  const RepoView& view_;
  const FieldSet& fields_;
  json::object out_;
};

}  // namespace

const FieldSet& info_fields(RepoType type) {
  static const FieldSet kModel = {
      "modelId",     "author",           "sha",          "lastModified", "createdAt",  "private",
      "gated",       "disabled",         "downloads",    "likes",        "tags",       "cardData",
      "siblings",    "usedStorage",      "pipeline_tag", "library_name", "mask_token", "widgetData",
      "model-index", "transformersInfo", "config",       "safetensors",  "gguf",       "spaces"};
  static const FieldSet kDataset = {
      "author",      "sha",         "lastModified", "createdAt",
      "private",     "gated",       "disabled",     "downloads",
      "likes",       "tags",        "cardData",     "siblings",
      "usedStorage", "description", "citation",     "paperswithcode_id"};
  static const FieldSet kSpace = {
      "author", "sha",       "lastModified", "createdAt", "private",     "gated", "disabled",
      "likes",  "tags",      "cardData",     "siblings",  "usedStorage", "sdk",   "title",
      "host",   "subdomain", "runtime",      "models",    "datasets"};
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

FieldSet expand_fields(RepoType type, const std::vector<std::string>& names) {
  std::span<const std::string_view> known = names_of(type);
  FieldSet fields;
  for (size_t i = 0; i < names.size(); ++i) {
    bool found = false;
    for (std::string_view name : known) {
      if (name != names[i]) continue;
      fields.insert(name);  // The constant: the set keeps views.
      found = true;
    }
    if (found) continue;
    std::string message = "Invalid option: expected one of ";
    for (std::string_view name : known) {
      if (name != known.front()) message += '|';
      message += '"' + std::string(name) + '"';
    }
    message += " → at expand[" + std::to_string(i) + "]";
    throw Error(ErrorKind::kInvalid, std::move(message));
  }
  return fields;
}

json::object repo_json(const RepoView& view, const FieldSet& fields) {
  return Writer(view, fields).run();
}

json::object sibling_json(std::string_view path, uint64_t size_bytes, std::string_view blob_id,
                          std::string_view lfs_sha256, uint64_t pointer_bytes) {
  auto view = [](std::string_view text) { return json::string_view(text.data(), text.size()); };
  json::object out{{"rfilename", view(path)}, {"size", size_bytes}, {"blobId", view(blob_id)}};
  if (!lfs_sha256.empty()) {
    out["lfs"] = json::object{
        {"sha256", view(lfs_sha256)}, {"size", size_bytes}, {"pointerSize", pointer_bytes}};
  }
  return out;
}

}  // namespace hearth::hub
