#include "hub/facts.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/text.h"

namespace hearth::hub {
namespace {

constexpr uint64_t kIndexBytesMax = 32u << 20;  // Of a model.safetensors.index.json.
constexpr size_t kShardCountMax = 1000;
constexpr std::string_view kReadme = "README.md";
constexpr std::string_view kSafetensors = ".safetensors";
constexpr std::string_view kGguf = ".gguf";
constexpr std::string_view kShardIndex = "model.safetensors.index.json";

/// Why an entry of .eval_results is refused; empty when the clients can read it.
std::string why_bad_result(const json::value& entry) {
  const json::object* object = entry.if_object();
  if (object == nullptr) return "an entry must be a mapping";
  const json::object* dataset = get_object(*object, "dataset");
  if (dataset == nullptr) return "\"dataset\" is required";
  if (!get_string(*dataset, "id")) return "\"dataset.id\" is required";
  if (!get_string(*dataset, "task_id")) return "\"dataset.task_id\" is required";
  if (find(*object, "value") == nullptr) return "\"value\" is required";
  return {};
}

/// `{filename, data}` for each result, `{filename, error}` for a file that cannot be read.
json::value read_eval_results(const std::map<std::string, std::string, std::less<>>& texts) {
  json::array results;
  for (const auto& [path, text] : texts) {
    if (!is_eval_file(path)) continue;
    auto fail = [&, &file = path](std::string error) {
      results.push_back(json::object{{"filename", file}, {"error", std::move(error)}});
    };
    auto parsed = cards::parse_yaml(text);
    if (!parsed) {
      fail(parsed.error().message);
      continue;
    }
    json::array entries;
    if (parsed->is_array()) {
      entries = std::move(parsed->as_array());
    } else {
      entries.push_back(std::move(*parsed));
    }
    for (json::value& entry : entries) {
      std::string why = why_bad_result(entry);
      if (!why.empty()) {
        fail(std::move(why));
      } else {
        results.push_back(json::object{{"filename", path}, {"data", std::move(entry)}});
      }
    }
  }
  return results.empty() ? json::value(nullptr) : json::value(std::move(results));
}

void derive_model_config(RepoFacts& facts, cards::ModelHints& hints,
                         const std::map<std::string, std::string, std::less<>>& texts) {
  models::ConfigFiles files;
  for (const std::string& path : models::config_files()) {
    if (auto text = texts.find(path); text != texts.end()) files.emplace(path, text->second);
  }
  models::ConfigFacts config = models::read_config(files);
  hints = {.model_type = std::move(config.model_type),
           .pipeline_tag = std::move(config.pipeline_tag),
           .library_name = std::move(config.library_name),
           .diffusers_class = std::move(config.diffusers_class),
           .peft_base_model = std::move(config.peft_base_model),
           .has_custom_code = config.has_custom_code,
           .is_conversational = config.is_conversational,
           .quantization_tags = std::move(config.quantization_tags)};
  facts.config = std::move(config.config);
  facts.transformers_info = std::move(config.transformers_info);
  facts.mask_token = std::move(config.mask_token);
  facts.eval_results = read_eval_results(texts);
}

bool is_top_level(std::string_view path) {
  return path.find('/') == std::string_view::npos;
}

/// "model-00001-of-00003.safetensors" -> "model-", "-of-00003.safetensors"; empty for other names.
std::pair<std::string_view, std::string_view> shard_pattern(std::string_view path) {
  size_t of = path.rfind("-of-");
  if (of == std::string_view::npos || of < 6) return {};
  std::string_view digits = path.substr(of - 5, 5);
  if (path[of - 6] != '-' || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return {};
  }
  return {path.substr(0, of - 5), path.substr(of)};
}

class HeaderReader {
 public:
  HeaderReader(const std::vector<std::string>& paths, const OpenSource& open)
      : paths_(paths.begin(), paths.end()), open_(open) {}

  ModelHeaders run() { return {.safetensors = safetensors(), .gguf = gguf()}; }

 private:
  json::value safetensors() {
    models::SafetensorsFacts sum;
    for (const std::string& path : safetensors_paths()) {
      auto source = open_(path);
      if (!source) return nullptr;
      auto facts = models::read_safetensors(*source);
      if (!facts) {
        // A sum that lacks a shard would be a wrong number.
        log_info("{}: {}", path, facts.error().message);
        return nullptr;
      }
      sum.add(*facts);
    }
    if (sum.tensor_count == 0) return nullptr;
    return sum.to_json();
  }

  std::vector<std::string> safetensors_paths() {
    if (paths_.contains("model.safetensors")) return {"model.safetensors"};
    if (paths_.contains(kShardIndex)) {
      auto index = open_(std::string(kShardIndex));
      if (!index) return {};
      if (index->size_bytes <= kIndexBytesMax) return shards_of_index(*index);
    }
    std::vector<std::string> found;
    for (const std::string& path : paths_) {
      if (path.ends_with(kSafetensors) && is_top_level(path)) found.push_back(path);
    }
    // Several files that are not shards of one model are several models.
    bool one_model = found.size() == 1 ||
                     (found.size() > 1 && std::ranges::all_of(found, [&](const auto& path) {
                        auto pattern = shard_pattern(path);
                        return !pattern.first.empty() && pattern == shard_pattern(found.front());
                      }));
    return one_model && found.size() <= kShardCountMax ? found : std::vector<std::string>();
  }

  std::vector<std::string> shards_of_index(const models::ByteSource& index) {
    Bytes text = index.read(0, index.size_bytes);
    auto shards = models::safetensors_index_shards(as_text(text));
    if (!shards) {
      log_info("{}: {}", kShardIndex, shards.error().message);
      return {};
    }
    bool complete = shards->size() <= kShardCountMax &&
                    std::ranges::all_of(*shards, [&](const auto& s) { return paths_.contains(s); });
    return complete ? std::move(*shards) : std::vector<std::string>();
  }

  json::value gguf() {
    const std::string* first = nullptr;
    for (const std::string& path : paths_) {
      if (!path.ends_with(kGguf)) continue;
      // The picture part of a model that also reads pictures stands beside it.
      bool is_part = path.find("mmproj") != std::string::npos;
      if (first == nullptr || (first->find("mmproj") != std::string::npos && !is_part)) {
        first = &path;
      }
    }
    if (first == nullptr) return nullptr;
    auto facts = read_gguf(*first);
    if (!facts) return nullptr;
    auto pattern = shard_pattern(*first);
    if (!pattern.first.empty()) {
      size_t count = 0;
      for (const std::string& path : paths_) {
        if (path == *first || shard_pattern(path) != pattern) continue;
        if (++count > kShardCountMax) return nullptr;
        auto shard = read_gguf(path);
        if (!shard) return nullptr;
        facts->total += shard->total;
      }
    }
    return facts->to_json();
  }

  std::optional<models::GgufFacts> read_gguf(const std::string& path) {
    auto source = open_(path);
    if (!source) return std::nullopt;
    auto facts = models::read_gguf(*source);
    if (facts) return std::move(*facts);
    log_info("{}: {}", path, facts.error().message);
    return std::nullopt;
  }

  std::set<std::string, std::less<>> paths_;
  const OpenSource& open_;
};

}  // namespace

std::vector<std::string> facts_files(RepoType type) {
  std::vector<std::string> paths = {std::string(kReadme)};
  if (type == RepoType::kModel) {
    paths.insert(paths.end(), models::config_files().begin(), models::config_files().end());
  }
  return paths;
}

bool is_eval_file(std::string_view path) {
  return path.starts_with(".eval_results/") && (path.ends_with(".yaml") || path.ends_with(".yml"));
}

cards::RepoKind kind_of(RepoType type) {
  switch (type) {
    case RepoType::kModel:
      return cards::RepoKind::kModel;
    case RepoType::kDataset:
      return cards::RepoKind::kDataset;
    case RepoType::kSpace:
      return cards::RepoKind::kSpace;
  }
  return cards::RepoKind::kModel;
}

RepoFacts derive_facts(RepoType type, std::string commit_oid, const TalliedFiles& files,
                       const std::map<std::string, std::string, std::less<>>& texts) {
  RepoFacts facts;
  facts.commit_oid = std::move(commit_oid);
  facts.tally = files.tally;
  facts.main_bytes = files.size_bytes;
  cards::ModelHints hints;
  if (type == RepoType::kModel) derive_model_config(facts, hints, texts);
  std::optional<std::string> readme;
  if (auto text = texts.find(kReadme); text != texts.end()) readme = text->second;
  facts.card = cards::derive(kind_of(type), readme, files.tally, hints);
  return facts;
}

ModelHeaders read_model_headers(const std::vector<std::string>& paths, const OpenSource& open) {
  return HeaderReader(paths, open).run();
}

}  // namespace hearth::hub
