#include <cstddef>
#include <cstdint>

#include "models/models.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hearth;
  auto facts = models::read_gguf(models::memory_source({data, size}));
  if (facts) (void)json::serialize(facts->to_json());
  return 0;
}
