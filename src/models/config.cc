#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "models/architectures.h"
#include "models/models.h"

namespace hearth::models {
namespace {

constexpr size_t kWordBytesMax = 200;             // Of what becomes a tag or a column.
constexpr size_t kTemplateBytesMax = 256u << 10;  // Templates of real models stay below 32 KiB.
constexpr size_t kPartBytesMax = 64u << 10;       // Of a part of the configuration, as JSON.

/// A short printable text, else empty.
std::string word(std::string_view text) {
  if (text.size() > kWordBytesMax || has_control_characters(text)) return {};
  return std::string(text);
}

std::string word_of(const json::object& object, std::string_view key) {
  return word(get_string(object, key).value_or(""));
}

std::optional<json::object> object_of(const ConfigFiles& files, std::string_view path) {
  auto file = files.find(path);
  if (file == files.end() || file->second.size() > kConfigFileBytesMax) return std::nullopt;
  auto parsed = parse_json(file->second);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return std::move(parsed->as_object());
}

/// A special token is a text, or an object with `content`.
std::string token_text(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  if (value == nullptr) return {};
  if (const json::string* text = value->if_string()) return word(as_view(*text));
  if (const json::object* added = value->if_object()) return word_of(*added, "content");
  return {};
}

void copy_small(const json::object& from, json::object& to, std::string_view key,
                size_t bytes_max = kPartBytesMax) {
  const json::value* value = find(from, key);
  if (value == nullptr || json::serialize(*value).size() > bytes_max) return;
  to[json::string_view(key.data(), key.size())] = *value;
}

class ConfigReader {
 public:
  explicit ConfigReader(const ConfigFiles& files) : files_(files) {}

  ConfigFacts run() {
    if (auto config = object_of(files_, "config.json")) read_main(*config);
    read_tokenizer();
    read_templates();
    if (auto adapter = object_of(files_, "adapter_config.json")) read_adapter(*adapter);
    if (auto index = object_of(files_, "model_index.json")) read_diffusers(*index);
    if (facts_.mask_token.empty() && facts_.pipeline_tag == "fill-mask") {
      facts_.mask_token = usual_mask_token();
    }
    return std::move(facts_);
  }

 private:
  void read_main(const json::object& config) {
    facts_.model_type = word_of(config, "model_type");
    copy_small(config, facts_.config, "architectures");
    if (!facts_.model_type.empty()) facts_.config["model_type"] = facts_.model_type;
    copy_small(config, facts_.config, "auto_map");
    copy_small(config, facts_.config, "quantization_config");
    facts_.has_custom_code = get_object(config, "auto_map") != nullptr;
    read_architecture(config);
    read_quantization(config);
    read_other_libraries(config);
  }

  void read_architecture(const json::object& config) {
    const json::array* list = get_array(config, "architectures");
    if (list == nullptr || list->empty() || !list->front().is_string()) return;
    std::string architecture(as_view(list->front().get_string()));
    ArchitectureParts parts = {.has_vision = find(config, "vision_config") != nullptr,
                               .has_audio = find(config, "audio_config") != nullptr};
    ArchitectureInfo info = architecture_info(architecture, parts);
    facts_.pipeline_tag = info.pipeline_tag;
    json::object& out = facts_.transformers_info;
    if (const json::object* map = get_object(config, "auto_map")) {
      // Code of the repository's own: the class by its auto class.
      std::string auto_model(info.auto_model.empty() ? "AutoModel" : info.auto_model);
      std::string custom_class = word_of(*map, auto_model);
      if (custom_class.empty()) custom_class = word_of(*map, "AutoModel");
      out["auto_model"] = auto_model;
      if (!custom_class.empty()) out["custom_class"] = custom_class;
    } else if (!info.auto_model.empty()) {
      out["auto_model"] = json::string_view(info.auto_model.data(), info.auto_model.size());
    } else {
      return;
    }
    if (!info.pipeline_tag.empty()) out["pipeline_tag"] = facts_.pipeline_tag;
    if (!info.processor.empty()) {
      out["processor"] = json::string_view(info.processor.data(), info.processor.size());
    }
  }

  void read_quantization(const json::object& config) {
    const json::object* quantization = get_object(config, "quantization_config");
    if (quantization == nullptr) return;
    std::string method = word_of(*quantization, "quant_method");
    std::optional<int64_t> bits = get_int(*quantization, "bits");
    if (!bits) bits = get_int(*quantization, "w_bit");
    if (get_bool(*quantization, "load_in_4bit").value_or(false)) bits = 4;
    if (get_bool(*quantization, "load_in_8bit").value_or(false)) bits = 8;
    if (method.empty() && quantization->contains("load_in_8bit")) method = "bitsandbytes";
    // bitsandbytes says its width in the method's name, too.
    if (method.starts_with("bitsandbytes")) method = "bitsandbytes";
    if (bits && *bits >= 1 && *bits <= 8) {
      facts_.quantization_tags.push_back(std::to_string(*bits) + "-bit");
    }
    if (!method.empty()) facts_.quantization_tags.push_back(method);
  }

  void read_other_libraries(const json::object& config) {
    if (const json::object* sklearn = get_object(config, "sklearn")) {
      facts_.library_name = "sklearn";
      json::object out;
      if (const json::object* model = get_object(*sklearn, "model")) {
        json::object file;
        copy_small(*model, file, "file");
        out["model"] = std::move(file);
      }
      copy_small(*sklearn, out, "model_format");
      facts_.config["sklearn"] = std::move(out);
      facts_.pipeline_tag = word_of(*sklearn, "task");
    } else if (find(config, "speechbrain_interface") != nullptr) {
      facts_.library_name = "speechbrain";
      json::object out;
      copy_small(config, out, "speechbrain_interface");
      facts_.config["speechbrain"] = std::move(out);
    } else if (word_of(config, "registered_name").starts_with("keras_hub>")) {
      facts_.library_name = "keras-hub";
    } else if (facts_.model_type.empty() && !word_of(config, "architecture").empty() &&
               (find(config, "pretrained_cfg") != nullptr ||
                find(config, "num_features") != nullptr)) {
      facts_.library_name = "timm";
      bool classifies = get_int(config, "num_classes").value_or(1) > 0;
      facts_.pipeline_tag = classifies ? "image-classification" : "image-feature-extraction";
    }
  }

  void read_tokenizer() {
    auto tokenizer = object_of(files_, "tokenizer_config.json");
    auto special = object_of(files_, "special_tokens_map.json");
    json::object out;
    if (tokenizer) {
      for (std::string_view key : {"bos_token", "eos_token", "unk_token", "pad_token"}) {
        std::string text = token_text(*tokenizer, key);
        if (!text.empty()) out[json::string_view(key.data(), key.size())] = text;
      }
      facts_.mask_token = token_text(*tokenizer, "mask_token");
      if (find(*tokenizer, "chat_template") != nullptr) {
        facts_.is_conversational = true;
        copy_small(*tokenizer, out, "chat_template", kTemplateBytesMax);
      }
      copy_small(*tokenizer, out, "use_default_system_prompt");
    }
    if (special && facts_.mask_token.empty())
      facts_.mask_token = token_text(*special, "mask_token");
    if (!out.empty()) facts_.config["tokenizer_config"] = std::move(out);
  }

  void read_templates() {
    for (std::string_view path : {"processor_config.json", "chat_template.json"}) {
      auto processor = object_of(files_, path);
      if (!processor || find(*processor, "chat_template") == nullptr) continue;
      facts_.is_conversational = true;
      json::object out;
      copy_small(*processor, out, "chat_template", kTemplateBytesMax);
      facts_.config["processor_config"] = std::move(out);
      break;
    }
    auto jinja = files_.find("chat_template.jinja");
    if (jinja == files_.end()) return;
    facts_.is_conversational = true;
    if (jinja->second.size() <= kTemplateBytesMax && is_utf8(jinja->second)) {
      facts_.config["chat_template_jinja"] = jinja->second;
    }
  }

  void read_adapter(const json::object& adapter) {
    json::object out;
    if (find(adapter, "peft_type") == nullptr && find(adapter, "model_class") != nullptr) {
      facts_.library_name = "adapter-transformers";
      copy_small(adapter, out, "model_name");
      copy_small(adapter, out, "model_class");
      facts_.config["adapter_transformers"] = std::move(out);
      return;
    }
    facts_.peft_base_model = word_of(adapter, "base_model_name_or_path");
    copy_small(adapter, out, "base_model_name_or_path");
    copy_small(adapter, out, "task_type");
    facts_.config["peft"] = std::move(out);
    if (facts_.pipeline_tag.empty()) facts_.pipeline_tag = task_of_peft(adapter);
  }

  static std::string task_of_peft(const json::object& adapter) {
    std::string type = word_of(adapter, "task_type");
    if (type == "CAUSAL_LM") return "text-generation";
    if (type == "SEQ_CLS") return "text-classification";
    if (type == "TOKEN_CLS") return "token-classification";
    if (type == "QUESTION_ANS") return "question-answering";
    if (type == "FEATURE_EXTRACTION") return "feature-extraction";
    return {};
  }

  void read_diffusers(const json::object& index) {
    facts_.diffusers_class = word_of(index, "_class_name");
    if (facts_.diffusers_class.empty()) return;
    facts_.config["diffusers"] = json::object{{"_class_name", facts_.diffusers_class}};
    if (facts_.pipeline_tag.empty()) {
      facts_.pipeline_tag = pipeline_tag_of_diffusers(facts_.diffusers_class);
    }
  }

  /// Fast tokenizers name their mask token in tokenizer.json only, which is not read.
  std::string usual_mask_token() const {
    for (std::string_view type : {"roberta", "xlm-roberta", "camembert", "longformer", "bart",
                                  "mbart", "xlm-roberta-xl", "mpnet", "esm"}) {
      if (facts_.model_type == type) return "<mask>";
    }
    for (std::string_view type :
         {"bert", "distilbert", "albert", "electra", "mobilebert", "deberta", "deberta-v2",
          "big_bird", "convbert", "modernbert", "nomic_bert", "roformer"}) {
      if (facts_.model_type == type) return "[MASK]";
    }
    return {};
  }

  const ConfigFiles& files_;
  ConfigFacts facts_;
};

}  // namespace

const std::vector<std::string>& config_files() {
  static const std::vector<std::string> kFiles = {
      "adapter_config.json",     "chat_template.jinja",
      "chat_template.json",      "config.json",
      "model_index.json",        "processor_config.json",
      "special_tokens_map.json", "tokenizer_config.json"};
  return kFiles;
}

ConfigFacts read_config(const ConfigFiles& files) {
  return ConfigReader(files).run();
}

}  // namespace hearth::models
