#include "xet/crc64.h"

#include <array>

namespace hearth::xet {
namespace {

constexpr uint64_t kPolynomial = 0x9A6C9329AC4BC9B5;

constexpr std::array<uint64_t, 256> make_table() {
  std::array<uint64_t, 256> table{};
  for (uint64_t byte = 0; byte < 256; ++byte) {
    uint64_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}
constexpr auto kTable = make_table();

}  // namespace

uint64_t crc64_nvme(ByteView bytes, uint64_t so_far) {
  uint64_t crc = ~so_far;
  for (uint8_t byte : bytes) crc = kTable[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

}  // namespace hearth::xet
