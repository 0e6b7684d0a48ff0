#pragma once
// Who stands behind a network address, as far as limits are concerned.

#include <string>
#include <string_view>

namespace hearth {

/// What callers are told apart by: an IPv4 address as it is, of an IPv6 address its /64 network
/// ("2001:db8:0:1::/64"), since one customer is given at least that much (RFC 6177) and could take
/// a new address for each request. A port and the brackets that some proxies add are cut off; an
/// IPv4 address written as IPv6 is an IPv4 address. Other text ("unix", or what a proxy wrote)
/// stays as it is, at most 64 bytes of it.
std::string caller_network(std::string_view address);

/// Whether the text is an IPv4 or IPv6 address, with a port or without.
bool is_address(std::string_view text);

}  // namespace hearth
