#include "veneer/vmm/base/uuid.h"

#include <set>

#include <gtest/gtest.h>

namespace veneer {
namespace {

TEST(Uuid, IsRandomAndSaysSo) {
  std::set<Uuid> seen;
  for (int i = 0; i < 100; ++i) {
    const Uuid uuid = MakeUuid().value();
    EXPECT_EQ(uuid[6] >> 4U, 4U);
    EXPECT_EQ(uuid[8] >> 6U, 2U);
    EXPECT_LT(uuid[0], 0x80U);
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 100U);
}

TEST(Uuid, AsText) {
  Uuid uuid{};
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    uuid[i] = static_cast<std::uint8_t>(i * 0x11);
  }
  EXPECT_EQ(ToString(uuid), "00112233-4455-6677-8899-aabbccddeeff");
}

}  // namespace
}  // namespace veneer
