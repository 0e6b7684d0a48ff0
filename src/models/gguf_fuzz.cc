#include <cstddef>
#include <cstdint>

#include "models/models.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto facts = hearth::models::read_gguf(hearth::models::memory_source({data, size}));
  if (facts) (void)hearth::json::serialize(facts->to_json());
  return 0;
}
