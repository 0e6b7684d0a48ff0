#pragma once
// What the module's tests share: the inputs of the vectors, made anew, and the vectors themselves.

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "base/bytes.h"
#include "base/json.h"
#include "xet/merkle_hash.h"

namespace hearth::xet::testing {

/// SplitMix64: the generator of the vectors.
inline Bytes split_mix(uint64_t seed, size_t count) {
  Bytes out;
  out.reserve(count + 8);
  uint64_t state = seed;
  while (out.size() < count) {
    state += 0x9E3779B97F4A7C15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z ^= z >> 31;
    for (int i = 0; i < 8; ++i) out.push_back(static_cast<uint8_t>(z >> (8 * i)));
  }
  out.resize(count);
  return out;
}

inline Bytes repeated(std::string_view sentence, size_t count) {
  Bytes out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(sentence[i % sentence.size()]);
  return out;
}

inline Bytes joined(std::initializer_list<ByteView> parts) {
  Bytes out;
  for (ByteView part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

/// The vectors' files v1, v2 and v3.
inline Bytes vector_input(std::string_view name) {
  constexpr std::string_view kSentence = "The quick brown fox jumps over the lazy dog. ";
  if (name == "v1") return joined({split_mix(1, 200000), repeated(kSentence, 100000)});
  if (name == "v2") {
    return joined({split_mix(1, 200000), split_mix(2, 100000), repeated(kSentence, 100000)});
  }
  Bytes out;
  for (uint32_t i = 0; i < 50000; ++i) {
    uint32_t value = i * 977;
    for (int k = 0; k < 4; ++k) out.push_back(static_cast<uint8_t>(value >> (8 * k)));
  }
  return out;
}

inline Bytes vector_file(const std::string& name) {
  std::ifstream in(std::string(HEARTH_SOURCE_DIR "/tests/vectors/xet/") + name, std::ios::binary);
  if (!in) throw std::runtime_error("no vector " + name);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

inline const json::object& expected() {
  static const json::value value = [] {
    Bytes bytes = vector_file("expected.json");
    return json::parse(as_text(bytes));
  }();
  return value.as_object();
}

inline std::string text_of(const json::value& value) {
  return std::string(as_view(value.as_string()));
}
inline MerkleHash hash_of(const json::value& value) {
  return MerkleHash::from_text(as_view(value.as_string())).value();
}

}  // namespace hearth::xet::testing
