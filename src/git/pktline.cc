#include "git/pktline.h"

#include <algorithm>

#include <fmt/format.h>

namespace hearth::git::internal {

Parsed<std::optional<Packet>> parse_packet(ByteView input) {
  if (input.size() < 4) return std::nullopt;
  size_t length = 0;
  for (size_t i = 0; i < 4; ++i) {
    char c = static_cast<char>(input[i]);
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return parse_error("a packet's length is four hex digits", i);
    length = length << 4 | static_cast<size_t>(digit);
  }
  Packet packet;
  packet.size_bytes = 4;
  switch (length) {
    case 0:
      return packet;
    case 1:
      packet.kind = PacketKind::kDelimiter;
      return packet;
    case 2:
      packet.kind = PacketKind::kResponseEnd;
      return packet;
    case 3:
      return parse_error("no packet is three bytes long");
    default:
      break;
  }
  if (length > kPacketBytesMax) return parse_error("a packet is longer than 65520 bytes");
  if (input.size() < length) return std::nullopt;
  packet.kind = PacketKind::kData;
  packet.data = input.subspan(4, length - 4);
  packet.size_bytes = length;
  return packet;
}

void append_packet(std::string& out, std::string_view data) {
  HEARTH_ASSERT(data.size() + 4 <= kPacketBytesMax, "a packet holds that much");
  out += fmt::format("{:04x}", data.size() + 4);
  out += data;
}

void append_flush(std::string& out) {
  out += "0000";
}

void append_band(std::string& out, int band, std::string_view data) {
  while (!data.empty()) {
    std::string_view part = data.substr(0, kBandBytesMax);
    out += fmt::format("{:04x}", part.size() + 5);
    out += static_cast<char>(band);
    out += part;
    data.remove_prefix(part.size());
  }
}

}  // namespace hearth::git::internal
