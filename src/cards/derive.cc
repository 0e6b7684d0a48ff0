#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "cards/cards.h"
#include "cards/file_tally.h"
#include "cards/vocabulary.h"

// The order of tags is the hosted hub's as its answers show it; clients depend on membership only.

namespace hearth::cards {
namespace {

/// Tags in order, each once.
class TagList {
 public:
  void add(std::string tag) {
    if (tag.empty() || tag.size() > kTagBytesMax || tags_.size() >= kTagCountMax) return;
    if (has_control_characters(tag)) return;
    if (seen_.insert(tag).second) tags_.push_back(std::move(tag));
  }
  void add_all(const std::vector<std::string>& tags, std::string_view prefix = {}) {
    for (const std::string& tag : tags) add(std::string(prefix) + tag);
  }
  bool has(std::string_view tag) const { return seen_.find(tag) != seen_.end(); }
  std::vector<std::string> take() { return std::move(tags_); }

 private:
  std::vector<std::string> tags_;
  std::set<std::string, std::less<>> seen_;
};

/// A short text for a column or a tag; empty when it is none.
std::string word_of(const json::object& card, std::string_view key) {
  auto text = get_string(card, key);
  if (!text || text->size() > kTagBytesMax || has_control_characters(*text)) return {};
  return std::string(trim(*text));
}

/// Identifiers of arXiv papers that a text links to ("1810.04805"), in order, each once.
std::vector<std::string> arxiv_ids(std::string_view text) {
  constexpr size_t kCountMax = 50;
  static constexpr std::string_view kLinks[] = {"arxiv.org/abs/", "arxiv.org/pdf/",
                                                "arxiv.org/html/", "huggingface.co/papers/",
                                                "hf.co/papers/"};
  std::map<size_t, std::string> found;
  for (std::string_view link : kLinks) {
    for (size_t at = text.find(link); at != std::string_view::npos; at = text.find(link, at + 1)) {
      std::string_view id = text.substr(at + link.size(), 10);
      size_t end = id.find_first_not_of("0123456789.");
      if (end != std::string_view::npos) id = id.substr(0, end);
      // Four digits, a dot, four or five digits.
      if (id.size() >= 9 && id.find('.') == 4 && id.find('.', 5) == std::string_view::npos) {
        found.emplace(at, std::string(id));
      }
    }
  }
  std::vector<std::string> ids;
  for (auto& [at, id] : found) {
    if (ids.size() < kCountMax && std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
  }
  return ids;
}

// Models -----------------------------------------------------------------------------------------

/// "namespace/name": adapters also name folders of the machine they were trained on.
bool is_repo_id(std::string_view text) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == text.size()) return false;
  bool fine = text.find('/', slash + 1) == std::string_view::npos && text.front() != '.';
  return fine && text.find_first_of(" \\~:") == std::string_view::npos;
}

std::vector<BaseModel> base_models_of(const json::object& card, const ModelHints& hints,
                                      const FileTally& files, std::string_view library) {
  std::vector<BaseModel> models;
  for (std::string& id : text_list(find(card, "base_model"))) {
    if (id.size() <= kTagBytesMax && !has_control_characters(id)) {
      models.push_back({.id = std::move(id), .relation = {}});
    }
  }
  if (models.empty() && is_repo_id(hints.peft_base_model)) {
    models.push_back({.id = hints.peft_base_model, .relation = {}});
  }
  if (models.empty()) return models;
  std::string relation = word_of(card, "base_model_relation");
  static constexpr std::string_view kRelations[] = {"finetune", "adapter", "merge", "quantized"};
  if (std::ranges::find(kRelations, relation) == std::end(kRelations)) {
    if (library == "peft" || files.has("file:adapter_config.json")) {
      relation = "adapter";
    } else if (files.has("tag:gguf") || !hints.quantization_tags.empty()) {
      relation = "quantized";
    } else {
      relation = models.size() > 1 ? "merge" : "finetune";
    }
  }
  for (BaseModel& model : models) model.relation = relation;
  return models;
}

bool has_results(const json::object& card) {
  const json::array* models = get_array(card, "model-index");
  if (models == nullptr) return false;
  return std::ranges::any_of(*models, [](const json::value& model) {
    const json::object* object = model.if_object();
    const json::array* results = object == nullptr ? nullptr : get_array(*object, "results");
    return results != nullptr && !results->empty();
  });
}

std::string task_of_tags(const std::vector<std::string>& tags) {
  for (const std::string& tag : tags) {
    if (is_task_id(tag)) return tag;
  }
  return {};
}

void derive_model(Facts& facts, std::string_view body, const FileTally& files,
                  const ModelHints& hints) {
  const json::object& card = facts.card;
  std::vector<std::string> card_tags = text_list(find(card, "tags"));
  facts.library_name = word_of(card, "library_name");
  if (facts.library_name.empty()) facts.library_name = hints.library_name;
  if (facts.library_name.empty()) facts.library_name = library_of_files(files);
  facts.pipeline_tag = word_of(card, "pipeline_tag");
  // Such a model's config.json names the encoder's class, which says less.
  if (facts.pipeline_tag.empty() && facts.library_name == "sentence-transformers") {
    facts.pipeline_tag = "sentence-similarity";
  }
  if (facts.pipeline_tag.empty()) facts.pipeline_tag = hints.pipeline_tag;
  if (facts.pipeline_tag.empty()) facts.pipeline_tag = task_of_tags(card_tags);
  facts.datasets = text_list(find(card, "datasets"));
  facts.base_models = base_models_of(card, hints, files, facts.library_name);
  if (const json::value* index = find(card, "model-index"); index != nullptr && index->is_array()) {
    facts.model_index = *index;
  }
  if (const json::value* widget = find(card, "widget")) facts.widget_data = *widget;

  TagList tags;
  tags.add(facts.library_name);
  if (!hints.diffusers_class.empty()) tags.add("diffusers");
  tags.add_all(weight_tags(files));
  tags.add(hints.model_type);
  tags.add(facts.pipeline_tag);
  tags.add_all(card_tags);
  if (hints.is_conversational) tags.add("conversational");
  if (hints.has_custom_code) tags.add("custom_code");
  tags.add_all(facts.languages);
  tags.add_all(facts.datasets, "dataset:");
  tags.add_all(arxiv_ids(body), "arxiv:");
  for (const BaseModel& model : facts.base_models) tags.add("base_model:" + model.id);
  for (const BaseModel& model : facts.base_models) {
    tags.add("base_model:" + model.relation + ":" + model.id);
  }
  tags.add_all(facts.licenses, "license:");
  if (!facts.model_index.is_null()) tags.add("model-index");
  if (has_results(card) || files.has("eval-results")) tags.add("eval-results");
  if (find(card, "co2_eq_emissions") != nullptr) tags.add("co2_eq_emissions");
  tags.add_all(hints.quantization_tags);
  if (!hints.diffusers_class.empty()) tags.add("diffusers:" + hints.diffusers_class);
  facts.tags = tags.take();
}

// Datasets ---------------------------------------------------------------------------------------

/// Each `dataset_info` of a card: one object, or a list of them by configuration.
template <typename Visit>
void each_dataset_info(const json::object& card, Visit visit) {
  const json::value* value = find(card, "dataset_info");
  if (value == nullptr) return;
  if (const json::object* object = value->if_object()) return visit(*object);
  const json::array* list = value->if_array();
  if (list == nullptr) return;
  for (const json::value& item : *list) {
    if (const json::object* object = item.if_object()) visit(*object);
  }
}

/// What the declared columns hold: text, image, audio, tabular, timeseries.
std::set<std::string> modalities_of_features(const json::object& card) {
  std::set<std::string> modalities;
  each_dataset_info(card, [&](const json::object& info) {
    const json::array* features = get_array(info, "features");
    if (features == nullptr) return;
    for (const json::value& item : *features) {
      const json::object* feature = item.if_object();
      if (feature == nullptr) continue;
      std::string type = get_string(*feature, "dtype").value_or("");
      if (type == "string" || type == "large_string") modalities.insert("text");
      if (type == "image" || type == "audio" || type == "video") modalities.insert(type);
      if (type.starts_with("timestamp") || type.starts_with("date")) {
        modalities.insert("timeseries");
      }
      if (type.starts_with("int") || type.starts_with("uint") || type.starts_with("float")) {
        modalities.insert("tabular");
      }
    }
  });
  return modalities;
}

std::set<std::string> modalities_of(const json::object& card, const FileTally& files,
                                    const DataFormat* format) {
  std::set<std::string> modalities = modalities_of_features(card);
  if (format != nullptr && !format->modality.empty()) {
    modalities.insert(std::string(format->modality));
  }
  if (modalities.empty()) {
    for (const std::string& task : text_list(find(card, "task_categories"))) {
      if (task.find("image") != std::string::npos) modalities.insert("image");
      if (task.find("audio") != std::string::npos || task.find("speech") != std::string::npos) {
        modalities.insert("audio");
      }
      if (task.find("video") != std::string::npos) modalities.insert("video");
      if (task.find("tabular") != std::string::npos) modalities.insert("tabular");
      if (task.find("text") != std::string::npos || task == "question-answering" ||
          task == "summarization" || task == "translation" || task == "fill-mask") {
        modalities.insert("text");
      }
    }
  }
  for (const char* modality : {"3d", "geospatial"}) {
    if (files.has("modality:" + std::string(modality))) modalities.insert(modality);
  }
  return modalities;
}

/// "1K<n<10K" from the numbers of rows that the card declares; empty when it declares none.
std::string size_category(const json::object& card) {
  uint64_t rows = 0;
  each_dataset_info(card, [&](const json::object& info) {
    const json::array* splits = get_array(info, "splits");
    if (splits == nullptr) return;
    for (const json::value& item : *splits) {
      const json::object* split = item.if_object();
      auto count = split == nullptr ? std::nullopt : get_int(*split, "num_examples");
      if (count && *count > 0)
        rows += std::min<uint64_t>(static_cast<uint64_t>(*count), 1ull << 50);
    }
  });
  if (rows == 0) return {};
  struct Step {
    uint64_t below;
    const char* name;
  };
  constexpr Step kSteps[] = {{1'000, "n<1K"},
                             {10'000, "1K<n<10K"},
                             {100'000, "10K<n<100K"},
                             {1'000'000, "100K<n<1M"},
                             {10'000'000, "1M<n<10M"},
                             {100'000'000, "10M<n<100M"},
                             {1'000'000'000, "100M<n<1B"},
                             {10'000'000'000, "1B<n<10B"},
                             {100'000'000'000, "10B<n<100B"},
                             {1'000'000'000'000, "100B<n<1T"}};
  for (const Step& step : kSteps) {
    if (rows < step.below) return step.name;
  }
  return "n>1T";
}

std::vector<std::string> libraries_of(const DataFormat* format) {
  if (format == nullptr) return {};
  if (format->format == "csv" || format->format == "json" || format->format == "parquet") {
    return {"datasets", "pandas", "polars", "mlcroissant"};
  }
  if (format->format == "webdataset") return {"datasets", "webdataset", "mlcroissant"};
  return {"datasets", "mlcroissant"};
}

void derive_dataset(Facts& facts, std::string_view body, const FileTally& files) {
  const json::object& card = facts.card;
  facts.title = get_string(card, "pretty_name").value_or("");
  const DataFormat* format = main_format(files);
  TagList tags;
  for (std::string_view key : {"task_categories", "task_ids", "annotations_creators",
                               "language_creators", "multilinguality", "source_datasets"}) {
    tags.add_all(text_list(find(card, key)), std::string(key) + ":");
  }
  tags.add_all(facts.languages, "language:");
  tags.add_all(facts.licenses, "license:");
  std::vector<std::string> sizes = text_list(find(card, "size_categories"));
  if (sizes.empty()) sizes = {size_category(card)};
  for (const std::string& size : sizes) {
    if (!size.empty()) tags.add("size_categories:" + size);
  }
  if (format != nullptr) tags.add("format:" + std::string(format->format));
  for (const std::string& modality : modalities_of(card, files, format)) {
    tags.add("modality:" + modality);
  }
  tags.add_all(libraries_of(format), "library:");
  tags.add_all(arxiv_ids(body), "arxiv:");
  tags.add_all(text_list(find(card, "tags")));
  facts.tags = tags.take();
}

// Spaces -----------------------------------------------------------------------------------------

void derive_space(Facts& facts) {
  const json::object& card = facts.card;
  static constexpr std::string_view kSdks[] = {"gradio", "streamlit", "docker", "static"};
  std::string sdk = word_of(card, "sdk");
  if (std::ranges::find(kSdks, sdk) != std::end(kSdks)) facts.sdk = sdk;
  facts.title = get_string(card, "title").value_or("");
  facts.models = text_list(find(card, "models"));
  facts.datasets = text_list(find(card, "datasets"));
  TagList tags;
  tags.add(facts.sdk);
  tags.add_all(text_list(find(card, "tags")));
  facts.tags = tags.take();
}

/// Fills card, card_error and description; returns the text after the front matter.
std::string_view read_card(Facts& facts, const std::optional<std::string>& readme) {
  if (!readme) return {};
  if (!is_utf8(*readme)) {
    facts.card_error = "README.md is not valid UTF-8";
    return {};
  }
  CardParts parts = split_card(*readme);
  facts.description = excerpt(parts.body);
  if (!parts.has_front_matter) return parts.body;
  auto parsed = parse_yaml(parts.yaml, {.first_line = parts.yaml_line});
  if (!parsed) {
    facts.card_error = parsed.error().message;
  } else if (parsed->is_object()) {
    facts.card = std::move(parsed->as_object());
  } else if (!parsed->is_null()) {
    facts.card_error = "The YAML metadata must be a mapping of keys to values";
  }
  return parts.body;
}

}  // namespace

Facts derive(RepoKind kind, const std::optional<std::string>& readme, const FileTally& files,
             const ModelHints& hints) {
  Facts facts;
  std::string_view body = read_card(facts, readme);
  facts.licenses = text_list(find(facts.card, "license"));
  facts.languages = text_list(find(facts.card, "language"));
  switch (kind) {
    case RepoKind::kModel:
      derive_model(facts, body, files, hints);
      break;
    case RepoKind::kDataset:
      derive_dataset(facts, body, files);
      break;
    case RepoKind::kSpace:
      derive_space(facts);
      break;
  }
  return facts;
}

}  // namespace hearth::cards
