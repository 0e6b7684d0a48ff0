#include "git/default_attributes.h"

#include <string_view>

namespace hearth::git {
namespace {

constexpr std::string_view kForAll[] = {"*.7z",          "*.arrow",
                                        "*.bin",         "*.bz2",
                                        "*.ckpt",        "*.ftz",
                                        "*.gz",          "*.h5",
                                        "*.joblib",      "*.lfs.*",
                                        "*.mlmodel",     "*.model",
                                        "*.msgpack",     "*.npy",
                                        "*.npz",         "*.onnx",
                                        "*.ot",          "*.parquet",
                                        "*.pb",          "*.pickle",
                                        "*.pkl",         "*.pt",
                                        "*.pth",         "*.rar",
                                        "*.safetensors", "saved_model/**/*",
                                        "*.tar.*",       "*.tar",
                                        "*.tflite",      "*.tgz",
                                        "*.wasm",        "*.xz",
                                        "*.zip",         "*.zst",
                                        "*tfevents*"};

constexpr std::string_view kForDatasets[] = {"*.lz4",
                                             "*.mds",
                                             "# Audio files - uncompressed",
                                             "*.pcm",
                                             "*.sam",
                                             "*.raw",
                                             "# Audio files - compressed",
                                             "*.aac",
                                             "*.flac",
                                             "*.mp3",
                                             "*.ogg",
                                             "*.wav",
                                             "# Image files - uncompressed",
                                             "*.bmp",
                                             "*.gif",
                                             "*.png",
                                             "*.tiff",
                                             "# Image files - compressed",
                                             "*.jpg",
                                             "*.jpeg",
                                             "*.webp",
                                             "# Video files - compressed",
                                             "*.mp4",
                                             "*.webm"};

void add_line(std::string& text, std::string_view line) {
  text += line;
  if (!line.starts_with('#')) text += " filter=lfs diff=lfs merge=lfs -text";
  text += '\n';
}

}  // namespace

std::string default_gitattributes(AttributesFor kind) {
  std::string text;
  for (std::string_view line : kForAll) add_line(text, line);
  if (kind == AttributesFor::kDataset) {
    for (std::string_view line : kForDatasets) add_line(text, line);
  }
  return text;
}

}  // namespace hearth::git
