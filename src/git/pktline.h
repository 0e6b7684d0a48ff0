#pragma once
// git's packet lines: four hex digits of length, then the bytes. Private; fuzzed.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace hearth::git::internal {

constexpr size_t kPacketBytesMax = 65520;  // gitprotocol-common: with the length itself
constexpr size_t kBandBytesMax = kPacketBytesMax - 5;

enum class PacketKind { kData, kFlush, kDelimiter, kResponseEnd };

struct Packet {
  PacketKind kind = PacketKind::kFlush;
  ByteView data;          // points into the input
  size_t size_bytes = 0;  // with the length
};

/// The first packet of `input`; nothing when it is not all there yet.
Parsed<std::optional<Packet>> parse_packet(ByteView input);

void append_packet(std::string& out, std::string_view data);
void append_flush(std::string& out);
/// `data` on a side band, in as many packets as it needs. Band 1 is data, 2 messages, 3 an error.
void append_band(std::string& out, int band, std::string_view data);

}  // namespace hearth::git::internal
