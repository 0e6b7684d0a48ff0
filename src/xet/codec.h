#pragma once
// How the payload of a chunk is packed: plain, an LZ4 frame, or byte-grouped and then an LZ4 frame.

#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/error.h"

namespace hearth::xet {

/// Values are those of the wire.
enum class Scheme : uint8_t { kNone = 0, kLz4 = 1, kGroupedLz4 = 2 };

/// Bytes 0, 4, 8, … then 1, 5, 9, … and so on: brings the exponents of floats together.
void group_bytes(ByteView plain, std::span<uint8_t> grouped);
/// Undoes group_bytes. Both spans have the same length and do not overlap.
void ungroup_bytes(ByteView grouped, std::span<uint8_t> plain);

/// Unpacks payloads; keeps its buffers from one to the next. Not safe from several threads.
class Decoder {
 public:
  Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  ~Decoder();

  /// Fills `plain` to its last byte from `payload`. Any legal LZ4 frame is accepted; trailing
  /// bytes, a shorter or a longer result are errors. `plain` is at most kChunkBytesMax long.
  Parsed<void> decode(Scheme scheme, ByteView payload, std::span<uint8_t> plain);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Packs chunks as hf-xet does: one scheme for a run of chunks, plain where nothing is saved.
class Encoder {
 public:
  struct Packed {
    Scheme scheme;
    ByteView payload;  // Valid until the next call, or a view of the chunk itself.
  };
  /// `chunk` holds 1 to kChunkBytesMax bytes.
  Packed encode(ByteView chunk);
  /// A new file begins: the next chunk decides the scheme anew.
  void start_file() { chunks_in_run_ = 0; }

 private:
  size_t chunks_in_run_ = 0;
  Scheme run_scheme_ = Scheme::kLz4;
  Bytes grouped_;
  Bytes packed_;
};

/// The scheme that suits data like this chunk: grouping when bytes differ by position mod 4.
Scheme choose_scheme(ByteView chunk);

}  // namespace hearth::xet
