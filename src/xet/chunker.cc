#include "xet/chunker.h"

#include <algorithm>

#include "xet/gear_table.h"

namespace hearth::xet {
namespace {

constexpr uint64_t kCutMask = 0xFFFF000000000000;
// The hash shifts left by one bit a byte, so 64 bytes decide it. Bytes before the last 65 ahead of
// the first test cannot matter and are passed over unread: an eighth of the work.
constexpr size_t kSkipBytes = kChunkBytesMin - 65;

}  // namespace

Chunker::Step Chunker::next(ByteView piece) {
  const uint8_t* data = piece.data();
  size_t at = 0;
  if (length_bytes_ < kSkipBytes) {
    at = std::min(kSkipBytes - length_bytes_, piece.size());
    length_bytes_ += at;
  }
  uint64_t hash = hash_;
  if (length_bytes_ < kChunkBytesMin - 1) {
    size_t end = at + std::min(kChunkBytesMin - 1 - length_bytes_, piece.size() - at);
    length_bytes_ += end - at;
    for (; at < end; ++at) hash = (hash << 1) + kGearTable[data[at]];
  }
  size_t end = at + std::min(kChunkBytesMax - length_bytes_, piece.size() - at);
  for (size_t i = at; i < end; ++i) {
    hash = (hash << 1) + kGearTable[data[i]];
    if ((hash & kCutMask) == 0) {
      reset();
      return {.consumed_bytes = i + 1, .is_cut = true};
    }
  }
  length_bytes_ += end - at;
  hash_ = hash;
  if (length_bytes_ == kChunkBytesMax) {
    reset();
    return {.consumed_bytes = end, .is_cut = true};
  }
  return {.consumed_bytes = end, .is_cut = false};
}

void Chunker::reset() {
  hash_ = 0;
  length_bytes_ = 0;
}

std::vector<size_t> chunk_lengths(ByteView whole) {
  std::vector<size_t> lengths;
  Chunker chunker;
  while (!whole.empty()) {
    Chunker::Step step = chunker.next(whole);
    lengths.push_back(step.consumed_bytes);
    whole = whole.subspan(step.consumed_bytes);
  }
  return lengths;
}

}  // namespace hearth::xet
