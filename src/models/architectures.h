#pragma once
// What an architecture's name says: the auto class that loads it, its task, its processor.

#include <string_view>

namespace hearth::models {

/// Empty views where nothing is known.
struct ArchitectureInfo {
  std::string_view auto_model;    // "AutoModelForMaskedLM"
  std::string_view pipeline_tag;  // "fill-mask"
  std::string_view processor;     // "AutoTokenizer"
};

/// `has_vision` and `has_audio`: the configuration has such a part; it tells a model that reads
/// pictures from one that translates, which are named alike (…ForConditionalGeneration).
struct ArchitectureParts {
  bool has_vision = false;
  bool has_audio = false;
};

ArchitectureInfo architecture_info(std::string_view architecture, ArchitectureParts parts = {});

}  // namespace hearth::models
