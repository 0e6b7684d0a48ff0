#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto parsed = hearth::parse_json(text);
  if (parsed) (void)hearth::json::serialize(*parsed);
  return 0;
}
