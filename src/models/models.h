#pragma once
// Model files, read no further than their headers: safetensors, GGUF and configuration JSON.
//
// All bytes are strangers'. Parsers return a value or a ParseError, never allocate from a size that
// was not compared with a limit, and are fuzzed. Everything is safe from any thread.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"

namespace hearth::models {

/// A file that can be read in parts. `read` returns `length_bytes` bytes from `offset_bytes`, fewer
/// only at the end of the file; what it throws passes through the readers below.
struct ByteSource {
  uint64_t size_bytes = 0;
  std::function<Bytes(uint64_t offset_bytes, uint64_t length_bytes)> read;
};

/// A source over bytes in memory, which must outlive it.
ByteSource memory_source(ByteView bytes);

/// Numbers of elements by dtype. `total` is their sum.
struct SafetensorsFacts {
  std::map<std::string, uint64_t> parameters;  // "F32" -> 124439808
  uint64_t total = 0;
  uint64_t tensor_count = 0;
  std::map<std::string, std::string> metadata;  // __metadata__, texts up to 1 KiB, 64 at most.

  /// Adds another shard.
  void add(const SafetensorsFacts& shard);
  /// `{"parameters":{"F32":n},"total":n}`; both keys are required by huggingface_hub.
  json::object to_json() const;
};

/// The longest header that is read. huggingface_hub refuses longer ones
/// (SAFETENSORS_MAX_HEADER_LENGTH in constants.py), the format's own library at 100 MB.
constexpr uint64_t kSafetensorsHeaderBytesMax = 25'000'000;

/// Reads the header of a .safetensors file and checks it: every dtype is known, every shape fills
/// its data_offsets exactly, the offsets cover the data without holes or overlaps, and no name
/// stands there twice. Cost: two reads. Memory: the header and 24 bytes a tensor. Source: the
/// format's specification and the checks of its reference implementation.
Parsed<SafetensorsFacts> read_safetensors(const ByteSource& source);

/// The header as it stands in the file: a JSON object by tensor name, checked as read_safetensors
/// does.
Parsed<std::string> read_safetensors_header(const ByteSource& source);

/// The names of the shards in a model.safetensors.index.json, each once, sorted; only plain file
/// names beside the index. At most 10,000.
Parsed<std::vector<std::string>> safetensors_index_shards(std::string_view index_json);

struct GgufFacts {
  uint64_t total = 0;        // Elements of all tensors.
  std::string architecture;  // "llama"
  std::optional<uint64_t> context_length;
  std::optional<std::string> chat_template;  // Up to 256 KiB; longer ones are left out.
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  uint64_t tensor_count = 0;
  uint32_t version = 0;
  std::optional<uint64_t> file_type;  // general.file_type: the quantisation, by llama.cpp's numbers
  std::string name;                   // general.name, up to 1 KiB

  /// `{"total","architecture","context_length","chat_template"?,"bos_token"?,"eos_token"?}`
  json::object to_json() const;
};

/// Reads the header of a GGUF file (versions 1 to 3, little-endian). Reads at most 256 MiB of it,
/// in blocks; arrays are passed over, not kept.
/// Source: the format's specification (ggml docs/gguf.md).
Parsed<GgufFacts> read_gguf(const ByteSource& source);

/// The small JSON and text files of a model repository, by path ("config.json"), as far as they are
/// stored as plain files. See config_files().
using ConfigFiles = std::map<std::string, std::string, std::less<>>;

/// The paths that read_config looks at, when they exist and are not larger than `bytes_max`.
const std::vector<std::string>& config_files();
constexpr uint64_t kConfigFileBytesMax = 4u << 20;

/// What the configuration files say (hub-api section 5.4).
struct ConfigFacts {
  json::object config;  // The subset that info answers show; empty when there is none.
  json::object
      transformers_info;  // {auto_model, pipeline_tag?, processor?, custom_class?} or empty
  std::string mask_token;
  std::string model_type;
  std::string pipeline_tag;  // By architectures[0], else by diffusers class.
  std::string library_name;  // Only where a file is proof of a library.
  std::string diffusers_class;
  std::string peft_base_model;
  bool has_custom_code = false;
  bool is_conversational = false;
  std::vector<std::string> quantization_tags;
};

/// Never fails: a file that cannot be read says nothing.
ConfigFacts read_config(const ConfigFiles& files);

/// The task of an architecture ("BertForMaskedLM" -> "fill-mask"), or empty.
std::string pipeline_tag_of_architecture(std::string_view architecture);
/// The task of a diffusers pipeline class ("StableDiffusionPipeline" -> "text-to-image"), or empty.
std::string pipeline_tag_of_diffusers(std::string_view class_name);

}  // namespace hearth::models
