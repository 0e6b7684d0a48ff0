#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "models/models.h"

// The input is the header's JSON behind one byte that says how much data follows; its length prefix
// is made here, so that the fuzzer does not spend its time on it. Then the input as a whole file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hearth::ByteView input(data, size);
  (void)hearth::models::read_safetensors(hearth::models::memory_source(input));
  (void)hearth::models::safetensors_index_shards(hearth::as_text(input));
  if (size == 0) return 0;
  uint64_t header_bytes = size - 1;
  hearth::Bytes file;
  for (int i = 0; i < 8; ++i) file.push_back(static_cast<uint8_t>(header_bytes >> (8 * i)));
  file.insert(file.end(), input.begin() + 1, input.end());
  file.resize(file.size() + data[0]);
  auto facts = hearth::models::read_safetensors(hearth::models::memory_source(file));
  if (facts) (void)hearth::json::serialize(facts->to_json());
  auto header = hearth::models::read_safetensors_header(hearth::models::memory_source(file));
  if (header.has_value() != facts.has_value()) __builtin_trap();
  return 0;
}
