#include "base/address.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <arpa/inet.h>

namespace hearth {
namespace {

constexpr size_t kOtherBytesMax = 64;
constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/// "[2001:db8::1]:443" and "192.0.2.1:443" without what stands around the address.
std::string_view without_port(std::string_view address) {
  if (address.starts_with('[')) {
    const size_t end = address.find(']');
    if (end != std::string_view::npos) return address.substr(1, end - 1);
  }
  const size_t colon = address.find(':');
  const bool one_colon = colon != std::string_view::npos && address.rfind(':') == colon;
  return one_colon && address.find('.') < colon ? address.substr(0, colon) : address;
}

}  // namespace

bool is_address(std::string_view text) {
  if (text.size() > kOtherBytesMax) return false;
  const std::string plain(without_port(text));
  in6_addr any{};
  return inet_pton(AF_INET, plain.c_str(), &any) == 1 ||
         inet_pton(AF_INET6, plain.substr(0, plain.find('%')).c_str(), &any) == 1;
}

std::string caller_network(std::string_view address) {
  const std::string plain(without_port(address).substr(0, kOtherBytesMax));
  in6_addr v6{};
  // "fe80::1%eth0": the zone is ours, not the caller's.
  if (inet_pton(AF_INET6, plain.substr(0, plain.find('%')).c_str(), &v6) != 1) return plain;
  char text[INET6_ADDRSTRLEN] = {};
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), v6.s6_addr)) {
    inet_ntop(AF_INET, v6.s6_addr + kMappedPrefix.size(), text, sizeof text);
    return text;
  }
  std::fill(v6.s6_addr + 8, v6.s6_addr + 16, uint8_t{0});
  inet_ntop(AF_INET6, &v6, text, sizeof text);
  return std::string(text) + "/64";
}

}  // namespace hearth
