#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "cards/cards.h"
#include "cards/vocabulary.h"

// What the hosted hub refuses is an error, what it only remarks on is a warning. Where its rule is
// not known for certain this leans to a warning: an error keeps a commit out.

namespace hearth::cards {
namespace {

constexpr size_t kMessageCountMax = 50;  // A card of nothing but mistakes gets a short answer.

constexpr std::string_view kSdks[] = {"gradio", "docker", "static", "streamlit"};
constexpr std::string_view kColors[] = {"red",    "yellow", "green", "blue",
                                        "indigo", "purple", "pink",  "gray"};
constexpr std::string_view kRelations[] = {"finetune", "adapter", "merge", "quantized"};
constexpr std::string_view kSpecialLanguages[] = {"code", "multilingual", "other", "unknown"};

bool contains(std::span<const std::string_view> words, std::string_view word) {
  for (std::string_view known : words) {
    if (known == word) return true;
  }
  return false;
}

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

std::string in_brackets(std::span<const std::string_view> words) {
  std::string out = "[";
  for (std::string_view word : words) {
    if (out.size() > 1) out += ", ";
    out += word;
  }
  return out + "]";
}

/// The text of a scalar for a message: short, printable.
std::string shown(std::string_view text) {
  std::string out;
  for (char c : cut_utf8(text, 80)) out += static_cast<uint8_t>(c) < 0x20 ? ' ' : c;
  return out;
}

class Checker {
 public:
  explicit Checker(const json::object& card) : card_(card) {}

  Validation run(RepoKind kind) {
    check_each_in("license", license_ids());
    check_languages();
    check_text_list("tags");
    switch (kind) {
      case RepoKind::kModel:
        check_model();
        break;
      case RepoKind::kDataset:
        check_dataset();
        break;
      case RepoKind::kSpace:
        check_space();
        break;
    }
    return std::move(result_);
  }

 private:
  bool full() const {
    return result_.errors.size() >= kMessageCountMax || result_.warnings.size() >= kMessageCountMax;
  }
  void error(std::string message) {
    if (result_.errors.size() < kMessageCountMax) result_.errors.push_back(std::move(message));
  }
  void warn(std::string message) {
    if (result_.warnings.size() < kMessageCountMax) result_.warnings.push_back(std::move(message));
  }

  /// Calls `visit(path, text)` for a text or each text of a list; other types are errors.
  template <typename Visit>
  void each_text(std::string_view key, Visit visit) {
    const json::value* value = find(card_, key);
    if (value == nullptr) return;
    auto one = [&](const json::value& item, const std::string& path) {
      if (const json::string* text = item.if_string()) {
        visit(path, as_view(*text));
      } else if (item.is_bool()) {
        visit(path, std::string_view(item.get_bool() ? "yes" : "no"));
      } else if (!item.is_null() && !item.is_number()) {
        error(quoted(path) + " must be a string");
      }
    };
    const json::array* list = value->if_array();
    if (list == nullptr) return one(*value, std::string(key));
    for (size_t i = 0; i < list->size() && !full(); ++i) {
      one(list->at(i), std::string(key) + "[" + std::to_string(i) + "]");
    }
  }

  void check_each_in(std::string_view key, std::span<const std::string_view> words) {
    each_text(key, [&](const std::string& path, std::string_view text) {
      if (!contains(words, text)) error(quoted(path) + " must be one of " + in_brackets(words));
    });
  }

  /// One text out of a few.
  void check_choice(std::string_view key, std::span<const std::string_view> words) {
    const json::value* value = find(card_, key);
    if (value == nullptr) return;
    const json::string* text = value->if_string();
    if (text == nullptr || !contains(words, as_view(*text))) {
      error(quoted(key) + " must be one of " + in_brackets(words));
    }
  }

  void check_text(std::string_view key, size_t characters_max = 0) {
    const json::value* value = find(card_, key);
    if (value == nullptr || value->is_number()) return;
    const json::string* text = value->if_string();
    if (text == nullptr) return error(quoted(key) + " must be a string");
    size_t characters = 0;
    for (char c : as_view(*text)) characters += (static_cast<uint8_t>(c) & 0xC0) != 0x80;
    if (characters_max != 0 && characters > characters_max) {
      error(quoted(key) + " length must be less than or equal to " +
            std::to_string(characters_max) + " characters long");
    }
  }

  void check_text_list(std::string_view key) {
    const json::value* value = find(card_, key);
    if (value == nullptr) return;
    if (!value->is_array()) {
      if (value->is_string()) return;  // The hub reads one text as a list of one.
      return error(quoted(key) + " must be an array");
    }
    each_text(key, [](const std::string&, std::string_view) {});
  }

  void check_languages() {
    each_text("language", [&](const std::string& path, std::string_view text) {
      bool code = text.size() >= 2 && text.size() <= 3 &&
                  text.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == std::string_view::npos;
      if (code || contains(kSpecialLanguages, text)) return;
      warn(quoted(path) + " with value " + quoted(shown(text)) +
           " is not valid. It must be an ISO 639-1, 639-2 or 639-3 code (two/three letters), or a "
           "special value like \"code\", \"multilingual\". If you want to use BCP-47 identifiers, "
           "you can specify them in language_bcp47.");
    });
  }

  void check_tasks(std::string_view key, std::string_view what) {
    each_text(key, [&](const std::string&, std::string_view text) {
      if (is_task_id(text) || text == "other") return;
      warn("The " + std::string(what) + " " + quoted(shown(text)) +
           " is not in the official list: " + join_words(task_ids()));
    });
  }

  static std::string join_words(std::span<const std::string_view> words) {
    std::string text = in_brackets(words);
    return text.substr(1, text.size() - 2);
  }

  /// Ids are `name` or `namespace/name`.
  void check_ids(std::string_view key, std::string_view advice) {
    each_text(key, [&](const std::string& path, std::string_view text) {
      size_t slashes = 0;
      bool good = !text.empty() && text.size() <= 200;
      for (char c : text) {
        slashes += c == '/';
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        good = good && (word || std::string_view("_-./").find(c) != std::string_view::npos);
      }
      if (good && slashes <= 1) return;
      warn(quoted(path) + " with value " + quoted(shown(text)) + " is not valid. " +
           std::string(advice));
    });
  }

  void check_model() {
    const json::value* task = find(card_, "pipeline_tag");
    if (task != nullptr && !task->is_string()) {
      error("\"pipeline_tag\" must be a string");
    } else {
      check_tasks("pipeline_tag", "pipeline tag");
    }
    check_text("library_name");
    check_ids("datasets", "If possible, use a dataset id from the hub.");
    check_ids("base_model", "Use a model id from the hub.");
    check_choice("base_model_relation", kRelations);
    check_model_index();
  }

  void check_model_index() {
    const json::value* value = find(card_, "model-index");
    if (value == nullptr) return;
    const json::array* models = value->if_array();
    if (models == nullptr) return error("\"model-index\" must be an array");
    for (size_t i = 0; i < models->size(); ++i) {
      std::string path = "model-index[" + std::to_string(i) + "]";
      const json::object* model = models->at(i).if_object();
      if (model == nullptr) {
        error(quoted(path) + " must be of type object");
        continue;
      }
      require_text(*model, path, "name");
      const json::value* results = find(*model, "results");
      if (results == nullptr) {
        error(quoted(path + ".results") + " is required");
      } else if (const json::array* list = results->if_array()) {
        for (size_t k = 0; k < list->size(); ++k) {
          check_result(list->at(k), path + ".results[" + std::to_string(k) + "]");
        }
      } else {
        error(quoted(path + ".results") + " must be an array");
      }
    }
  }

  void check_result(const json::value& value, const std::string& path) {
    const json::object* result = value.if_object();
    if (result == nullptr) return error(quoted(path) + " must be of type object");
    if (const json::object* task = require_object(*result, path, "task")) {
      require_text(*task, path + ".task", "type");
    }
    // Cards that trainers write may leave the dataset out; where it stands it must be named.
    if (find(*result, "dataset") != nullptr) {
      if (const json::object* dataset = require_object(*result, path, "dataset")) {
        require_text(*dataset, path + ".dataset", "type");
        require_text(*dataset, path + ".dataset", "name");
      }
    }
    const json::value* metrics = find(*result, "metrics");
    if (metrics == nullptr) return error(quoted(path + ".metrics") + " is required");
    const json::array* list = metrics->if_array();
    if (list == nullptr) return error(quoted(path + ".metrics") + " must be an array");
    for (size_t i = 0; i < list->size(); ++i) {
      std::string metric_path = path + ".metrics[" + std::to_string(i) + "]";
      const json::object* metric = list->at(i).if_object();
      if (metric == nullptr) {
        error(quoted(metric_path) + " must be of type object");
        continue;
      }
      require_text(*metric, metric_path, "type");
      // A value that is .nan or null is written by trainers that diverged; the key must be there.
      if (!metric->contains("value")) error(quoted(metric_path + ".value") + " is required");
    }
  }

  void require_text(const json::object& object, const std::string& path, std::string_view key) {
    const json::value* value = find(object, key);
    std::string name = quoted(path + "." + std::string(key));
    if (value == nullptr) return error(name + " is required");
    if (value->is_object() || value->is_array()) error(name + " must be a string");
  }

  const json::object* require_object(const json::object& object, const std::string& path,
                                     std::string_view key) {
    const json::value* value = find(object, key);
    std::string name = quoted(path + "." + std::string(key));
    if (value == nullptr) {
      error(name + " is required");
      return nullptr;
    }
    if (!value->is_object()) error(name + " must be of type object");
    return value->if_object();
  }

  void check_dataset() {
    check_text("pretty_name");
    check_tasks("task_categories", "task category");
    for (std::string_view key : {"task_ids", "size_categories", "annotations_creators",
                                 "language_creators", "multilinguality", "source_datasets"}) {
      each_text(key, [](const std::string&, std::string_view) {});
    }
    const json::value* configs = find(card_, "configs");
    if (configs == nullptr) return;
    const json::array* list = configs->if_array();
    if (list == nullptr) return error("\"configs\" must be an array");
    for (size_t i = 0; i < list->size(); ++i) {
      std::string path = "configs[" + std::to_string(i) + "]";
      if (const json::object* config = list->at(i).if_object()) {
        require_text(*config, path, "config_name");
      } else if (!list->at(i).is_string()) {
        error(quoted(path) + " must be of type object");
      }
    }
  }

  void check_space() {
    if (find(card_, "sdk") == nullptr) {
      warn("\"sdk\" is required for the Space to run; it is one of " + in_brackets(kSdks));
    }
    check_choice("sdk", kSdks);
    check_choice("colorFrom", kColors);
    check_choice("colorTo", kColors);
    check_text("title");
    check_text("emoji");
    check_text("app_file");
    check_text("short_description", 60);
    check_ids("models", "Use a model id from the hub.");
    check_ids("datasets", "If possible, use a dataset id from the hub.");
    const json::value* port = find(card_, "app_port");
    if (port == nullptr) return;
    auto number = get_int(card_, "app_port");
    if (!number || *number < 1 || *number > 65535) {
      error("\"app_port\" must be a number from 1 to 65535");
    }
  }

  const json::object& card_;
  Validation result_;
};

}  // namespace

Validation validate(std::string_view content, RepoKind kind) {
  if (!is_utf8(content)) return {.errors = {"The file is not valid UTF-8"}, .warnings = {}};
  CardParts parts = split_card(content);
  const Validation empty = {.errors = {},
                            .warnings = {"empty or missing yaml metadata in repo card"}};
  if (!parts.has_front_matter) return empty;
  auto parsed = parse_yaml(parts.yaml, {.first_line = parts.yaml_line});
  if (!parsed) return {.errors = {parsed.error().message}, .warnings = {}};
  if (parsed->is_null()) return empty;
  const json::object* card = parsed->if_object();
  if (card == nullptr) {
    return {.errors = {"The YAML metadata must be a mapping of keys to values"}, .warnings = {}};
  }
  if (card->empty()) return empty;
  return Checker(*card).run(kind);
}

}  // namespace hearth::cards
