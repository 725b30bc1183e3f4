#include "veneer/xencompat/domain/system_time.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace veneer {
namespace {

constexpr std::uint64_t kForever = ~std::uint64_t{0};

TEST(LinearSystemTime, StartsAtZeroAndFollowsTheHost) {
  FakeClock clock;
  const std::uint64_t origin = clock.MonotonicNs();
  const LinearSystemTime time(clock, origin);
  EXPECT_EQ(time.GuestNs(), 0U);
  clock.Advance(123'456'789);
  EXPECT_EQ(time.GuestNs(), 123'456'789U);
  EXPECT_EQ(time.HostNs(time.GuestNs()), clock.MonotonicNs());
}

TEST(LinearSystemTime, RunsSlowerWhenToldSo) {
  FakeClock clock;
  const LinearSystemTime time(clock, clock.MonotonicNs(), LinearSystemTime::kRealTime / 4);
  clock.Advance(4'000'000'000);
  EXPECT_EQ(time.GuestNs(), 1'000'000'000U);
  EXPECT_EQ(time.HostNs(2'000'000'000), clock.MonotonicNs() + 4'000'000'000U);
}

TEST(LinearSystemTime, SaturatesForDeadlinesThatNeverCome) {
  FakeClock clock;
  const LinearSystemTime time(clock, clock.MonotonicNs());
  EXPECT_EQ(time.HostNs(kForever), kForever);
  const LinearSystemTime slow(clock, clock.MonotonicNs(), 1);
  EXPECT_EQ(slow.HostNs(kForever / 2), kForever);
}

TEST(LinearSystemTime, ShowsZeroBeforeItsOrigin) {
  FakeClock clock;
  const LinearSystemTime time(clock, clock.MonotonicNs() + 10);
  EXPECT_EQ(time.GuestNs(), 0U);
}

TEST(LinearSystemTime, FollowsANewOrigin) {
  FakeClock clock;
  LinearSystemTime time(clock, clock.MonotonicNs());
  clock.Advance(100);
  time.SetOrigin(clock.MonotonicNs() - 40);
  EXPECT_EQ(time.GuestNs(), 40U);
  EXPECT_EQ(time.HostNs(50), clock.MonotonicNs() + 10);
}

}  // namespace
}  // namespace veneer
