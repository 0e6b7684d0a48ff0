#include "http/body_decoder.h"

#include <algorithm>
#include <cstring>

namespace hearth::http {
namespace {

int hex_digit(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

bool is_field_byte(uint8_t byte) {
  return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

}  // namespace

BodyDecoder BodyDecoder::with_length(uint64_t length_bytes) {
  BodyDecoder decoder;
  decoder.left_bytes_ = length_bytes;
  decoder.state_ = length_bytes == 0 ? State::kDone : State::kData;
  return decoder;
}

BodyDecoder BodyDecoder::chunked(const Limits& limits) {
  BodyDecoder decoder;
  decoder.is_chunked_ = true;
  decoder.state_ = State::kSize;
  decoder.chunk_line_bytes_max_ = limits.chunk_line_bytes_max;
  decoder.trailer_bytes_max_ = limits.trailer_bytes_max;
  return decoder;
}

Parsed<size_t> BodyDecoder::decode(std::string_view& input, std::span<uint8_t> out) {
  size_t produced = 0;
  while (!done() && !input.empty()) {
    if (state_ != State::kData) {
      auto taken = take_line_byte(static_cast<uint8_t>(input.front()));
      if (!taken) return tl::unexpected(taken.error());
      input.remove_prefix(1);
      continue;
    }
    size_t count =
        static_cast<size_t>(std::min<uint64_t>({left_bytes_, input.size(), out.size() - produced}));
    if (count == 0) break;
    std::memcpy(out.data() + produced, input.data(), count);
    input.remove_prefix(count);
    produced += count;
    left_bytes_ -= count;
    if (left_bytes_ == 0) state_ = is_chunked_ ? State::kDataCr : State::kDone;
  }
  return produced;
}

void BodyDecoder::took_directly(uint64_t count) {
  HEARTH_ASSERT(!is_chunked_ && count <= left_bytes_, "more body bytes than announced");
  left_bytes_ -= count;
  if (left_bytes_ == 0) state_ = State::kDone;
}

// One byte outside chunk data.
Parsed<bool> BodyDecoder::take_line_byte(uint8_t byte) {
  switch (state_) {
    case State::kSize: {
      int digit = hex_digit(byte);
      if (digit >= 0) {
        // 15 digits cannot overflow; nobody sends a chunk of an exabyte.
        if (++digit_count_ > 15) return parse_error("a chunk size is too long");
        left_bytes_ = left_bytes_ * 16 + static_cast<uint64_t>(digit);
        return true;
      }
      if (digit_count_ == 0) return parse_error("a chunk has no size");
      line_bytes_ = 0;
      if (byte == '\r') {
        state_ = State::kSizeLf;
      } else if (byte == ';') {
        state_ = State::kExtension;
      } else {
        return parse_error("a chunk size is malformed");
      }
      return true;
    }
    case State::kExtension:
      if (byte == '\r') {
        state_ = State::kSizeLf;
        return true;
      }
      // A quoted value may hide the line's end from another reader (found by the fuzzer, which
      // compares with Beast).
      if (!is_field_byte(byte) || byte == '"') return parse_error("a chunk extension is malformed");
      if (++line_bytes_ > chunk_line_bytes_max_) return parse_error("a chunk line is too long");
      return true;
    case State::kSizeLf:
      if (byte != '\n') return parse_error("a chunk line does not end in CR LF");
      digit_count_ = 0;
      line_bytes_ = 0;
      state_ = left_bytes_ == 0 ? State::kTrailer : State::kData;
      return true;
    case State::kDataCr:
      if (byte != '\r') return parse_error("a chunk is longer than its size");
      state_ = State::kDataLf;
      return true;
    case State::kDataLf:
      if (byte != '\n') return parse_error("a chunk does not end in CR LF");
      state_ = State::kSize;
      return true;
    case State::kTrailer:
      if (++trailer_bytes_ > trailer_bytes_max_) return parse_error("the trailers are too large");
      if (byte == '\r') {
        state_ = State::kTrailerLf;
        return true;
      }
      if (!is_field_byte(byte) || (line_bytes_ == 0 && (byte == ' ' || byte == '\t'))) {
        return parse_error("a trailer is malformed");
      }
      ++line_bytes_;
      return true;
    case State::kTrailerLf:
      if (byte != '\n') return parse_error("a trailer does not end in CR LF");
      state_ = line_bytes_ == 0 ? State::kDone : State::kTrailer;
      line_bytes_ = 0;
      return true;
    case State::kData:
    case State::kDone:
      break;
  }
  return true;
}

}  // namespace hearth::http
