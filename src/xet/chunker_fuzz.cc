#include <cstdlib>
#include <numeric>

#include "xet/chunker.h"

// The first byte chooses how the rest is cut into pieces; the chunks must not depend on it.
namespace hearth {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  // Repeated, so that short inputs reach beyond the minimum.
  Bytes whole;
  while (whole.size() < 150000) whole.insert(whole.end(), data + 1, data + size);
  auto lengths = xet::chunk_lengths(whole);
  if (std::accumulate(lengths.begin(), lengths.end(), size_t{0}) != whole.size()) abort();
  size_t piece_bytes = size_t{data[0]} * 37 + 1;
  xet::Chunker chunker;
  size_t index = 0;
  size_t length = 0;
  for (size_t at = 0; at < whole.size();) {
    auto step = chunker.next(ByteView(whole).subspan(at, std::min(piece_bytes, whole.size() - at)));
    at += step.consumed_bytes;
    length += step.consumed_bytes;
    if (!step.is_cut && at < whole.size()) continue;
    if (index >= lengths.size() || lengths[index++] != length) abort();
    if (length > xet::kChunkBytesMax) abort();
    length = 0;
  }
  return 0;
}

}  // namespace hearth
