#pragma once
// Finds the end of a request body and takes its bytes out of the chunked coding.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/error.h"
#include "http/limits.h"

namespace hearth::http {

/// An incremental reader of one body. Strict: chunk lines end in CR LF, sizes are 1 to 15 hex
/// digits, extensions (without quotes) and trailers are read and dropped.
class BodyDecoder {
 public:
  /// A body of known length, or a chunked one.
  static BodyDecoder with_length(uint64_t length_bytes);
  static BodyDecoder chunked(const Limits& limits);

  /// Takes bytes from the front of `input` and puts body bytes into `out`; returns how many. Stops
  /// when the input is used up, `out` is full or the body has ended (the rest of `input` is the
  /// next request).
  Parsed<size_t> decode(std::string_view& input, std::span<uint8_t> out);

  bool done() const { return state_ == State::kDone; }
  /// Bytes that may be read straight into the sink's block, past decode(): only for known lengths.
  uint64_t direct_bytes() const { return is_chunked_ ? 0 : left_bytes_; }
  void took_directly(uint64_t count);
  /// Lower bound of the bytes still to come on the wire.
  uint64_t left_bytes_min() const { return done() ? 0 : left_bytes_; }
  bool is_chunked() const { return is_chunked_; }

 private:
  enum class State {
    kSize,       // Hex digits of a chunk size.
    kExtension,  // Behind ';', ignored.
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailer,  // In a trailer line, or at its start.
    kTrailerLf,
    kDone,
  };

  Parsed<bool> take_line_byte(uint8_t byte);

  State state_ = State::kData;
  bool is_chunked_ = false;
  uint64_t left_bytes_ = 0;  // Of the body, or of the current chunk.
  uint64_t line_bytes_ = 0;
  uint64_t trailer_bytes_ = 0;
  int digit_count_ = 0;
  uint64_t chunk_line_bytes_max_ = 0;
  uint64_t trailer_bytes_max_ = 0;
};

}  // namespace hearth::http
