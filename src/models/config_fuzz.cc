#include <cstddef>
#include <cstdint>
#include <string>

#include "models/models.h"

// The same text as every configuration file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hearth;
  std::string text(reinterpret_cast<const char*>(data), size);
  models::ConfigFiles files;
  for (const std::string& path : models::config_files()) files[path] = text;
  models::ConfigFacts facts = models::read_config(files);
  (void)json::serialize(facts.config);
  return 0;
}
