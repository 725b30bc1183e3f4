#include "src/vmm/cli/reboot_limit.h"

#include <gtest/gtest.h>

namespace veneer {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

TEST(RebootLimit, RefusesOneMoreThanTheRate) {
  RebootLimit limit({.reboots = 3, .seconds = 10});
  EXPECT_TRUE(limit.Allow(5 * kSecond));
  EXPECT_TRUE(limit.Allow(6 * kSecond));
  EXPECT_TRUE(limit.Allow(7 * kSecond));
  EXPECT_FALSE(limit.Allow(15 * kSecond - 1));
}

TEST(RebootLimit, ForgetsWhatIsLongerAgo) {
  RebootLimit limit({.reboots = 2, .seconds = 10});
  for (std::uint64_t second = 0; second < 1000; second += 5) {
    EXPECT_TRUE(limit.Allow(second * kSecond)) << second;
  }
}

TEST(RebootLimit, OffMeansNone) {
  RebootLimit limit({.reboots = 0});
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(limit.Allow(1));
  }
}

TEST(RebootLimit, ReadsRates) {
  const auto rate = ParseRebootRate("5/60");
  ASSERT_TRUE(rate);
  EXPECT_EQ(rate->reboots, 5U);
  EXPECT_EQ(rate->seconds, 60U);
  ASSERT_TRUE(ParseRebootRate("off"));
  EXPECT_EQ(ParseRebootRate("off")->reboots, 0U);
  for (const char* bad : {"", "5", "/", "5/", "/5", "0/5", "5/0", "-1/5", "5/60s", "10001/1"}) {
    const auto refused = ParseRebootRate(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().kind, ErrorKind::kUsage);
  }
}

}  // namespace
}  // namespace veneer
