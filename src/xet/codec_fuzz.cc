#include "xet/chunker.h"
#include "xet/codec.h"

// The first three bytes choose the scheme and the announced length, the rest is the payload.
namespace hearth {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  auto scheme = static_cast<xet::Scheme>(data[0] % 3);
  size_t length = (size_t{data[1]} << 8 | data[2]) * 2 + 1;
  Bytes plain(std::min(length, xet::kChunkBytesMax));
  static xet::Decoder decoder;
  (void)decoder.decode(scheme, {data + 3, size - 3}, plain);
  return 0;
}

}  // namespace hearth
