#pragma once
// Repository cards: README.md with YAML front matter, and what follows from it and from the files.
//
// Bytes in, facts out: nothing here knows a database or a repository. Everything is a pure function
// and safe from any thread.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace hearth::cards {

/// Tags of one repository; each is a row of an index. What is more, or longer, is left out.
constexpr size_t kTagCountMax = 500;
constexpr size_t kTagBytesMax = 256;

enum class RepoKind { kModel, kDataset, kSpace };

/// From "model", "dataset", "space"; nothing for other words.
std::optional<RepoKind> parse_repo_kind(std::string_view text);

/// A card taken apart. The views point into the text that was split.
struct CardParts {
  bool has_front_matter = false;
  std::string_view yaml;   // Between the `---` lines, without them.
  std::string_view body;   // What follows; the whole text (without BOM) when there is none.
  uint64_t yaml_line = 0;  // Line of the card, from 1, that holds the first line of `yaml`.
};

/// Splits a card at its `---` lines, as huggingface_hub's REGEX_YAML_BLOCK does: white space and a
/// byte order mark may come first, and lines end in LF, CRLF or CR. A line that only says `---`
/// right after the first one does not end the block: the pattern wants a line between.
/// Source: huggingface_hub 2.4.0 repocard.py.
CardParts split_card(std::string_view content);

/// Limits of a YAML document. A card is data of strangers: these hold memory, not only time.
struct YamlOptions {
  uint64_t bytes_max = 1u << 20;  // Of input.
  size_t depth_max = 64;          // Of nested collections, also those that come by an alias.
  /// Of values in the result; what an alias repeats, and what an anchor keeps, counts each time.
  uint64_t node_count_max = 200'000;
  uint64_t text_bytes_max =
      16u << 20;            // Of all texts and keys in the result, counted the same way.
  uint64_t first_line = 1;  // What error messages call the first line.
};

/// Parses one YAML document into JSON, as PyYAML's SafeLoader followed by a JSON encoder would.
///
/// YAML 1.1: `yes`, `no`, `on`, `off` are booleans; `010` is 8; `1:30` is 90; `<<` merges; a later
/// duplicate of a key wins. What JSON has no form for: dates and times become the text that a
/// browser makes of them ("2024-01-02T00:00:00.000Z"), .nan and .inf null, binary its base64 text,
/// keys that are not texts the way they are spelt, integers beyond 64 bits floating point. An empty
/// document is null. Unlike PyYAML, a text that only looks like a date (2024-13-45) stays a text,
/// and an anchor may be defined twice. Messages end in "(line:column)".
Parsed<json::value> parse_yaml(std::string_view text, const YamlOptions& options = {});

/// What /api/validate-yaml says.
struct Validation {
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

/// Checks the front matter of a card before it is committed. Never throws on input.
/// Source: huggingface_hub 2.4.0 RepoCard.validate, _commit_api; tests test_repocard.py.
Validation validate(std::string_view content, RepoKind kind);

class FileTally;  // cards/file_tally.h

/// A model that this one was made from. `relation` is finetune, adapter, merge or quantized; empty
/// when the card does not say and nothing tells.
struct BaseModel {
  std::string id;
  std::string relation;
};

/// What configuration files of a model say; models::read_config makes the values.
struct ModelHints {
  std::string model_type;          // "bert"
  std::string pipeline_tag;        // By architecture, or by diffusers class.
  std::string library_name;        // Only where a configuration file is proof of a library.
  std::string diffusers_class;     // "StableDiffusionPipeline"
  std::string peft_base_model;     // base_model_name_or_path of adapter_config.json
  bool has_custom_code = false;    // auto_map
  bool is_conversational = false;  // a chat template
  std::vector<std::string> quantization_tags;  // "4-bit", "bitsandbytes", …
};

/// What a repository's main branch says about itself. Empty texts are absent values.
struct Facts {
  json::object card;        // The parsed YAML, unchanged; empty without front matter.
  std::string card_error;   // Why the front matter could not be read; then nothing follows from it.
  std::string description;  // Plain text of the card's beginning, see excerpt().
  std::vector<std::string> tags;  // In the order of hub-api 5.4, each once.
  std::string pipeline_tag;       // Models.
  std::string library_name;       // Models.
  std::vector<std::string> licenses;
  std::vector<std::string> languages;
  std::vector<std::string> datasets;   // Models and Spaces: ids of linked datasets.
  std::vector<std::string> models;     // Spaces: ids of linked models.
  std::vector<BaseModel> base_models;  // Models.
  json::value model_index;             // Models: `model-index` of the card, or null.
  json::value widget_data;             // Models: `widget` of the card, or null.
  std::string sdk;                     // Spaces; one of the known ones, else empty.
  std::string title;                   // Spaces; datasets' pretty_name.
};

/// Works out the facts of hub-api section 5.4.
///
/// `readme` is README.md, nothing when there is none; `files` is a tally of this kind. `hints`
/// matter to models only.
Facts derive(RepoKind kind, const std::optional<std::string>& readme, const FileTally& files,
             const ModelHints& hints = {});

/// The beginning of a card as plain text: no front matter, markup, code, tables or images; white
/// space folded; at most `bytes_max` bytes, cut at a word's end.
std::string excerpt(std::string_view card_body, size_t bytes_max = 300);

/// The tags that a card can give by words with a fixed meaning, by type: `{"license":[{"type",
/// "id","label"}…],…}`. `id` is the tag that filters take. Tags that people make up are not here.
/// Source: huggingface_hub 2.4.0 hf_api.py get_model_tags, get_dataset_tags.
json::object tags_by_type(RepoKind kind);

/// A text or a list of texts, as cards may write `license`, `language`, `datasets`, `base_model`.
/// Numbers and booleans are written as text (`no`, the language, reads as false); others dropped.
std::vector<std::string> text_list(const json::value* value);

}  // namespace hearth::cards
