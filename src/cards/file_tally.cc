#include "cards/file_tally.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/text.h"

namespace hearth::cards {
namespace {

// The number of the rules below. Whoever changes which marks a path has raises it: what was counted
// before is then counted anew. Also for a change of what a file's size is (git/lfs_pointer).
constexpr int64_t kRules = 1;

constexpr std::string_view kWeights = "weights";
constexpr std::string_view kEvalResults = "eval-results";

std::string_view base_name(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// Lower case, with the dot; empty without one.
std::string extension_of(std::string_view path) {
  std::string_view name = base_name(path);
  size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? std::string() : to_lower(name.substr(dot));
}

// Models -----------------------------------------------------------------------------------------

struct FileTag {
  std::string_view tag;
  bool (*matches)(std::string_view path, std::string_view name, std::string_view extension);
};

/// Which weights a model has, by its files.
constexpr FileTag kFileTags[] = {
    {"tensorboard",
     [](std::string_view, std::string_view name, std::string_view) {
       return name.find("tfevents") != std::string_view::npos;
     }},
    {"pytorch",
     [](std::string_view, std::string_view name, std::string_view extension) {
       // What training leaves beside the weights is no model.
       static constexpr std::string_view kOthers[] = {"training_args.bin", "optimizer.bin",
                                                      "scheduler.bin"};
       return extension == ".bin" && std::ranges::find(kOthers, name) == std::end(kOthers);
     }},
    {"tf", [](std::string_view, std::string_view,
              std::string_view extension) { return extension == ".h5"; }},
    {"jax", [](std::string_view, std::string_view,
               std::string_view extension) { return extension == ".msgpack"; }},
    {"rust", [](std::string_view, std::string_view,
                std::string_view extension) { return extension == ".ot"; }},
    {"tflite", [](std::string_view, std::string_view,
                  std::string_view extension) { return extension == ".tflite"; }},
    {"coreml",
     [](std::string_view path, std::string_view, std::string_view extension) {
       return extension == ".mlmodel" || path.find(".mlpackage/") != std::string_view::npos;
     }},
    {"onnx", [](std::string_view, std::string_view,
                std::string_view extension) { return extension == ".onnx"; }},
    {"safetensors", [](std::string_view, std::string_view,
                       std::string_view extension) { return extension == ".safetensors"; }},
    {"gguf", [](std::string_view, std::string_view,
                std::string_view extension) { return extension == ".gguf"; }},
    {"openvino",
     [](std::string_view, std::string_view name, std::string_view extension) {
       return extension == ".xml" && name.starts_with("openvino_");
     }},
};

struct Proof {
  std::string_view what;
  std::string_view library;
};

/// Files whose being there proves a library; the first that is there decides.
constexpr Proof kProofFiles[] = {{"model_index.json", "diffusers"},
                                 {"modular_model_index.json", "diffusers"},
                                 {"config_setfit.json", "setfit"},
                                 {"modules.json", "sentence-transformers"},
                                 {"config_sentence_transformers.json", "sentence-transformers"},
                                 {"adapter_config.json", "peft"},
                                 {"open_clip_config.json", "open_clip"}};
constexpr Proof kProofExtensions[] = {{".nemo", "nemo"}, {".keras", "keras"}};

template <typename Mark>
void each_mark_of_model(std::string_view path, Mark mark) {
  std::string extension = extension_of(path);
  for (const FileTag& tag : kFileTags) {
    if (tag.matches(path, base_name(path), extension)) mark("tag:", tag.tag);
  }
  for (const Proof& proof : kProofFiles) {
    if (path == proof.what) mark("file:", proof.what);
  }
  for (const Proof& proof : kProofExtensions) {
    if (extension == proof.what) mark("extension:", proof.what);
  }
  if (path.starts_with(".eval_results/")) mark("", kEvalResults);
  if (path.ends_with(".safetensors") || path.ends_with(".gguf")) mark("", kWeights);
}

// Datasets ---------------------------------------------------------------------------------------

const std::map<std::string, DataFormat, std::less<>>& data_formats() {
  static const auto* kFormats = [] {
    auto* formats = new std::map<std::string, DataFormat, std::less<>>;
    auto put = [formats](std::initializer_list<const char*> extensions, DataFormat format) {
      for (const char* extension : extensions) formats->emplace(extension, format);
    };
    put({".csv", ".tsv"}, {"csv", ""});
    put({".json", ".jsonl", ".ndjson"}, {"json", ""});
    put({".parquet", ".geoparquet", ".gpq"}, {"parquet", ""});
    put({".arrow"}, {"arrow", ""});
    put({".txt"}, {"text", "text"});
    put({".xml"}, {"xml", "text"});
    put({".tar"}, {"webdataset", ""});
    put({".h5", ".hdf5"}, {"hdf5", ""});
    put({".pdf"}, {"pdffolder", "document"});
    put({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"},
        {"imagefolder", "image"});
    put({".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac"}, {"audiofolder", "audio"});
    put({".mp4", ".webm", ".mkv", ".avi", ".mov"}, {"videofolder", "video"});
    return formats;
  }();
  return *kFormats;
}

/// Nothing for what is no data file.
const DataFormat* format_of(std::string_view path) {
  static constexpr std::string_view kNotData[] = {"dataset_infos.json", "dataset_dict.json",
                                                  "state.json",         "dataset_info.json",
                                                  "requirements.txt",   "LICENSE.txt"};
  if (path.starts_with(".") || path.find("/.") != std::string::npos) return nullptr;
  if (std::ranges::find(kNotData, base_name(path)) != std::end(kNotData)) return nullptr;
  // Compressed text is read through: data.csv.gz
  for (std::string_view packed : {".gz", ".bz2", ".xz", ".zst"}) {
    if (path.ends_with(packed)) path.remove_suffix(packed.size());
  }
  auto format = data_formats().find(extension_of(path));
  return format == data_formats().end() ? nullptr : &format->second;
}

template <typename Mark>
void each_mark_of_dataset(std::string_view path, Mark mark) {
  if (const DataFormat* format = format_of(path)) mark("format:", format->format);
  std::string extension = extension_of(path);
  if (extension == ".glb" || extension == ".ply" || extension == ".stl") mark("modality:", "3d");
  if (extension == ".geojson" || extension == ".shp" || extension == ".geoparquet") {
    mark("modality:", "geospatial");
  }
}

std::vector<std::string> marks_of(RepoKind kind, std::string_view path) {
  std::vector<std::string> marks;
  auto mark = [&](std::string_view group, std::string_view name) {
    marks.push_back(std::string(group) + std::string(name));
  };
  switch (kind) {
    case RepoKind::kModel:
      each_mark_of_model(path, mark);
      break;
    case RepoKind::kDataset:
      each_mark_of_dataset(path, mark);
      break;
    case RepoKind::kSpace:
      break;  // Its files say nothing by their names.
  }
  return marks;
}

}  // namespace

FileTally FileTally::of(RepoKind kind, const std::vector<std::string>& paths) {
  FileTally tally;
  for (const std::string& path : paths) tally.add(kind, path);
  return tally;
}

void FileTally::add(RepoKind kind, std::string_view path) {
  for (std::string& mark : marks_of(kind, path)) ++counts_[std::move(mark)];
}

bool FileTally::remove(RepoKind kind, std::string_view path) {
  for (const std::string& mark : marks_of(kind, path)) {
    auto at = counts_.find(mark);
    if (at == counts_.end()) return false;
    if (--at->second == 0) counts_.erase(at);
  }
  return true;
}

uint64_t FileTally::count(std::string_view mark) const {
  auto at = counts_.find(mark);
  return at == counts_.end() ? 0 : at->second;
}

bool FileTally::has_weights() const {
  return has(kWeights);
}

std::string FileTally::to_text() const {
  json::object marks;
  for (const auto& [mark, count] : counts_) marks[mark] = count;
  return json::serialize(json::object{{"rules", kRules}, {"marks", std::move(marks)}});
}

std::optional<FileTally> FileTally::parse(std::string_view text) {
  auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const json::object* marks = get_object(parsed->as_object(), "marks");
  if (marks == nullptr || get_int(parsed->as_object(), "rules") != kRules) return std::nullopt;
  FileTally tally;
  for (const auto& [mark, value] : *marks) {
    auto count = get_int(*marks, mark);
    if (!count || *count <= 0) return std::nullopt;
    tally.counts_.emplace(mark, static_cast<uint64_t>(*count));
  }
  return tally;
}

std::vector<std::string> weight_tags(const FileTally& files) {
  std::vector<std::string> tags;
  for (const FileTag& tag : kFileTags) {
    if (files.has("tag:" + std::string(tag.tag))) tags.emplace_back(tag.tag);
  }
  return tags;
}

std::string library_of_files(const FileTally& files) {
  for (const Proof& proof : kProofFiles) {
    if (files.has("file:" + std::string(proof.what))) return std::string(proof.library);
  }
  for (const Proof& proof : kProofExtensions) {
    if (files.has("extension:" + std::string(proof.what))) return std::string(proof.library);
  }
  return {};
}

const DataFormat* main_format(const FileTally& files) {
  // By name, so that a tie goes to the one that sorts first.
  std::map<std::string_view, const DataFormat*> formats;
  for (const auto& [extension, format] : data_formats()) formats.emplace(format.format, &format);
  const DataFormat* best = nullptr;
  uint64_t best_count = 0;
  for (const auto& [name, format] : formats) {
    uint64_t count = files.count("format:" + std::string(name));
    if (count > best_count) {
      best_count = count;
      best = format;
    }
  }
  return best;
}

}  // namespace hearth::cards
