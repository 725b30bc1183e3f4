// Rate limits and polling: the arithmetic by itself, and a limited disk.

#include <chrono>

#include "block_fixture.h"
#include "veneer/vmm/base/poll_window.h"
#include "veneer/vmm/base/token_bucket.h"

namespace veneer {
namespace {

using testing::Discard;
using testing::Transfer;

TEST(TokenBucket, WithoutLimitNothingWaits) {
  TokenBucket bucket(0);
  bucket.Charge(~std::uint64_t{0}, 5);
  EXPECT_EQ(bucket.DelayNs(5), 0U);
}

TEST(TokenBucket, ABurstThenTheRate) {
  TokenBucket bucket(1000);  // one per ms, 100 at once
  std::uint64_t now = 1'000'000'000'000;
  int taken = 0;
  while (bucket.DelayNs(now) == 0) {
    bucket.Charge(1, now);
    ++taken;
  }
  EXPECT_EQ(taken, 101);
  EXPECT_EQ(bucket.DelayNs(now), 1'000'000U);
  for (int i = 0; i < 500; ++i) {
    now += bucket.DelayNs(now);
    bucket.Charge(1, now);
  }
  EXPECT_EQ(now, 1'000'500'000'000U);
}

TEST(TokenBucket, WhatIsLargerThanTheBurstGetsThroughAndIsPaidOff) {
  TokenBucket bucket(1000);
  const std::uint64_t now = 1'000'000'000'000;
  bucket.Charge(5000, now);
  EXPECT_EQ(bucket.DelayNs(now), 4'900'000'000U);
  EXPECT_EQ(bucket.DelayNs(now + 4'900'000'000), 0U);
}

TEST(TokenBucket, WhatDoesNotTakeLongerCountsASecondAtMost) {
  TokenBucket bucket(1000);
  const std::uint64_t now = 1'000'000'000'000;
  bucket.ChargeASecondAtMost(500, now);
  EXPECT_EQ(bucket.DelayNs(now), 400'000'000U);
  bucket.ChargeASecondAtMost(~std::uint64_t{0}, now);
  EXPECT_EQ(bucket.DelayNs(now), 1'400'000'000U);
}

TEST(PollWindow, GrowsWhilePollingWouldPayAndGoesWhenItDoesNot) {
  PollWindow window(50'000);
  std::uint64_t now = 1'000'000;
  EXPECT_FALSE(window.Open(now, now));
  for (int i = 0; i < 10; ++i) {
    window.OnSleep(now);
    now += 20'000;
    window.OnWork(now);
  }
  EXPECT_EQ(window.window_ns(), 50'000U);
  EXPECT_TRUE(window.Open(now, now + 49'999));
  EXPECT_FALSE(window.Open(now, now + 50'000));
  for (int i = 0; i < 10; ++i) {
    window.OnSleep(now);
    now += 1'000'000;
    window.OnWork(now);
  }
  EXPECT_EQ(window.window_ns(), 0U);
}

TEST(PollWindow, ASlowWakeUpDoesNotKeepItClosed) {
  PollWindow window(50'000);
  for (int i = 0; i < 10; ++i) {
    window.OnSleep(0);
    window.OnWork(90'000);  // 40 us for the work to come, the rest for this thread to wake up
  }
  EXPECT_EQ(window.window_ns(), 50'000U);
}

TEST(PollWindow, ZeroNeverPolls) {
  PollWindow window(0);
  for (int i = 0; i < 10; ++i) {
    window.OnSleep(100);
    window.OnWork(100);
  }
  EXPECT_FALSE(window.Open(100, 100));
}

class BlockLimitTest : public BlockTest {
 protected:
  // Seconds for `count` reads of a page.
  double Read(int count) {
    const Buffer page = NewBuffer();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 1, 0, {{page.ref}})).status, BLKIF_RSP_OKAY);
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
};

TEST_F(BlockLimitTest, RequestsPerSecond) {
  config_.requests_per_second = 200;
  MakeFileDisk();
  Connect();
  EXPECT_GE(Read(60), 0.18) << "20 at once, 40 more at 200 a second";
  EXPECT_GT(Count("throttled"), 0U);
}

TEST_F(BlockLimitTest, BytesPerSecond) {
  config_.bytes_per_second = 200 * kPageSize;
  MakeFileDisk();
  Connect();
  EXPECT_GE(Read(60), 0.18);
}

TEST_F(BlockLimitTest, DiscardsCountAsBytes) {
  config_.bytes_per_second = 200 * kPageSize;
  MakeFileDisk();
  Connect();
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(queue().Do(Discard(i, 0, 10 * kPageSize / 512)).status, BLKIF_RSP_OKAY);
  }
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(130))
      << "20 pages at once, then 30 more at 200 a second";
}

TEST_F(BlockLimitTest, AThrottledDiskStillCloses) {
  config_.requests_per_second = 1;
  MakeFileDisk();
  Connect();
  const Buffer page = NewBuffer();
  for (int i = 0; i < 10; ++i) {
    queue().Put(Transfer(BLKIF_OP_READ, 1, 0, {{page.ref}}));
  }
  queue().Push();
  queue().Wait();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(front_.Close());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(8));
}

}  // namespace
}  // namespace veneer
