#pragma once
// Little-endian numbers in byte buffers, wherever they stand.

#include <cstdint>

namespace hearth::xet {

inline uint32_t get_u32(const uint8_t* at) {
  return uint32_t{at[0]} | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16 | uint32_t{at[3]} << 24;
}
inline uint64_t get_u64(const uint8_t* at) {
  return uint64_t{get_u32(at)} | uint64_t{get_u32(at + 4)} << 32;
}
inline void put_u32(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<uint8_t>(value >> (8 * i));
}
inline void put_u64(uint8_t* at, uint64_t value) {
  for (int i = 0; i < 8; ++i) at[i] = static_cast<uint8_t>(value >> (8 * i));
}

}  // namespace hearth::xet
