#include "base/address.h"

#include <gtest/gtest.h>

namespace hearth {
namespace {

TEST(CallerNetwork, IsTheAddressOrTheNetworkThatOneCustomerHas) {
  EXPECT_EQ("192.0.2.1", caller_network("192.0.2.1"));
  EXPECT_EQ("192.0.2.1", caller_network("192.0.2.1:4711"));
  EXPECT_EQ("192.0.2.1", caller_network("::ffff:192.0.2.1"));
  EXPECT_EQ("2001:db8:0:1::/64", caller_network("2001:db8:0:1::1"));
  EXPECT_EQ("2001:db8:0:1::/64", caller_network("2001:DB8:0:1:ffff:ffff:ffff:ffff"));
  EXPECT_EQ("2001:db8:0:1::/64", caller_network("[2001:db8:0:1::7]:443"));
  EXPECT_NE(caller_network("2001:db8:0:1::1"), caller_network("2001:db8:0:2::1"));
  EXPECT_EQ("fe80::/64", caller_network("fe80::1%eth0"));
  EXPECT_EQ("::/64", caller_network("::1"));
}

TEST(IsAddress, TellsAddressesFromOtherText) {
  for (const char* text : {"192.0.2.1", "192.0.2.1:80", "::1", "[2001:db8::1]:443", "fe80::1%eth0"})
    EXPECT_TRUE(is_address(text)) << text;
  for (const char* text : {"", "*", "unknown", "_hidden", "192.0.2", "192.0.2.1.5", "[", "::g"})
    EXPECT_FALSE(is_address(text)) << text;
  EXPECT_FALSE(is_address(std::string(1000, '1')));
}

TEST(CallerNetwork, OtherTextStaysAndIsShort) {
  EXPECT_EQ("unix", caller_network("unix"));
  EXPECT_EQ("", caller_network(""));
  EXPECT_EQ("[", caller_network("["));
  EXPECT_EQ(64u, caller_network(std::string(1000, 'x')).size());
}

}  // namespace
}  // namespace hearth
