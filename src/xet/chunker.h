#pragma once
// Content-defined chunking, as every Xet client cuts.
//
// A rolling hash runs over the bytes; a chunk ends where the hash's top 16 bits are zero, but not
// before 8 KiB and no later than 128 KiB. The hash forgets a byte after 64 more, so equal content
// is cut equally wherever it stands.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace hearth::xet {

inline constexpr size_t kChunkBytesMin = 8192;
inline constexpr size_t kChunkBytesMax = 131072;

/// Finds cuts in a stream given in pieces of any size; the pieces make no difference.
class Chunker {
 public:
  struct Step {
    size_t consumed_bytes = 0;  // How much of the piece belongs to the present chunk.
    bool is_cut = false;        // The chunk ends after them; otherwise the piece is used up.
  };

  /// Scans until the present chunk ends or the piece is used up; call again with the rest.
  Step next(ByteView piece);

  /// Bytes of the unfinished chunk so far. At the end of a file they are the last chunk.
  size_t pending_bytes() const { return length_bytes_; }
  /// Starts a new file.
  void reset();

 private:
  uint64_t hash_ = 0;
  size_t length_bytes_ = 0;
};

/// Lengths of the chunks of a whole input.
std::vector<size_t> chunk_lengths(ByteView whole);

}  // namespace hearth::xet
