#include <cstddef>
#include <cstdint>
#include <string>

#include "models/models.h"

// The same text as every configuration file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  hearth::models::ConfigFiles files;
  for (const std::string& path : hearth::models::config_files()) files[path] = text;
  hearth::models::ConfigFacts facts = hearth::models::read_config(files);
  (void)hearth::json::serialize(facts.config);
  return 0;
}
