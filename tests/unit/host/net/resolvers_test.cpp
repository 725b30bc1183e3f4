#include "src/host/net/resolvers.h"

#include <sstream>

#include <gtest/gtest.h>

namespace veneer {
namespace {

Resolvers Find(const char* text) {
  std::istringstream file(text);
  return FindResolvers(file);
}

TEST(Resolvers, OnesWithIpv4AddressesAreTold) {
  EXPECT_FALSE(Find("").any);
  EXPECT_FALSE(Find("# nameserver 1.1.1.1\nsearch example.org\nnameserver\n").any);
  const Resolvers loopback6 = Find("nameserver ::1\n");
  EXPECT_TRUE(loopback6.any);
  EXPECT_FALSE(loopback6.ipv4);
  EXPECT_TRUE(Find("nameserver ::1\nnameserver 127.0.0.53\noptions edns0").ipv4);
  EXPECT_TRUE(Find("  nameserver\t10.0.0.1").ipv4);
}

}  // namespace
}  // namespace veneer
