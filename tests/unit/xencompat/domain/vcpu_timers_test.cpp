#include "veneer/xencompat/domain/vcpu_timers.h"

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recording_wakeup.h"
#include "support/fake_clock.h"
#include "support/units.h"
#include "veneer/vmm/base/event_loop.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class VcpuTimersTest : public ::testing::Test {
 protected:
  VcpuTimersTest() { deadlines_.Attach(wakeup_); }
  void Advance(std::uint64_t ns) {
    clock_.Advance(ns);
    deadlines_.OnWakeup();
  }
  std::vector<unsigned> Take() { return std::exchange(fired_, {}); }

  FakeClock clock_;
  LinearSystemTime time_{clock_, clock_.MonotonicNs()};
  RecordingWakeup wakeup_;
  Deadlines deadlines_{clock_};
  std::vector<unsigned> fired_;
  VcpuTimers timers_{time_, deadlines_, 4, [this](unsigned vcpu) { fired_.push_back(vcpu); }};
};

TEST_F(VcpuTimersTest, EachVcpuHasItsOwn) {
  ASSERT_TRUE(timers_.SetSingleshot(0, 2 * kMs, false));
  ASSERT_TRUE(timers_.SetSingleshot(3, 1 * kMs, false));
  Advance(kMs);
  EXPECT_THAT(Take(), ElementsAre(3));
  Advance(kMs);
  EXPECT_THAT(Take(), ElementsAre(0));
}

TEST_F(VcpuTimersTest, ASecondDeadlineReplacesTheFirst) {
  ASSERT_TRUE(timers_.SetSingleshot(0, 2 * kMs, false));
  ASSERT_TRUE(timers_.SetSingleshot(0, 5 * kMs, false));
  Advance(2 * kMs);
  EXPECT_THAT(Take(), IsEmpty());
  Advance(3 * kMs);
  EXPECT_THAT(Take(), ElementsAre(0));
}

TEST_F(VcpuTimersTest, MissedTicksAreOneTick) {
  ASSERT_TRUE(timers_.SetPeriodic(1, kMs));
  Advance(100 * kMs);
  EXPECT_THAT(Take(), ElementsAre(1));
  EXPECT_EQ(wakeup_.deadline, clock_.MonotonicNs() + kMs) << "and the next one is a period away";
}

TEST_F(VcpuTimersTest, ANewPeriodStartsNow) {
  ASSERT_TRUE(timers_.SetPeriodic(1, 10 * kMs));
  Advance(9 * kMs);
  ASSERT_TRUE(timers_.SetPeriodic(1, 4 * kMs));
  Advance(3 * kMs);
  EXPECT_THAT(Take(), IsEmpty());
  Advance(1 * kMs);
  EXPECT_THAT(Take(), ElementsAre(1));
}

TEST_F(VcpuTimersTest, PeriodsAtTheLimits) {
  EXPECT_FALSE(timers_.SetPeriodic(0, VcpuTimers::kMinPeriodNs - 1));
  EXPECT_TRUE(timers_.SetPeriodic(0, VcpuTimers::kMinPeriodNs));
  EXPECT_TRUE(timers_.SetPeriodic(0, VcpuTimers::kMaxPeriodNs));
  EXPECT_FALSE(timers_.SetPeriodic(0, VcpuTimers::kMaxPeriodNs + 1));
}

TEST_F(VcpuTimersTest, DeadlinesFollowASlowerClock) {
  const LinearSystemTime slow(clock_, clock_.MonotonicNs(), LinearSystemTime::kRealTime / 2);
  Deadlines deadlines(clock_);
  deadlines.Attach(wakeup_);
  VcpuTimers timers(slow, deadlines, 1, [](unsigned) {});
  ASSERT_TRUE(timers.SetSingleshot(0, 10 * kMs, false));
  EXPECT_EQ(wakeup_.deadline, clock_.MonotonicNs() + 20 * kMs);
}

TEST_F(VcpuTimersTest, EventsTakeNoMoreThanTheirShare) {
  VcpuTimers timers(
      time_, deadlines_, 2, [this](unsigned vcpu) { fired_.push_back(vcpu); }, 25);
  ASSERT_TRUE(timers.SetSingleshot(0, time_.GuestNs() + kMs, false));
  Advance(kMs);
  EXPECT_THAT(Take(), ElementsAre(0));  // the first one comes in time
  Advance(4 * kMs);                     // which the guest spends on it: then it has 12 for itself
  ASSERT_TRUE(timers.SetSingleshot(0, time_.GuestNs(), false));
  ASSERT_TRUE(timers.SetSingleshot(1, time_.GuestNs() + kMs, false));
  Advance(11 * kMs);
  EXPECT_THAT(Take(), ElementsAre(1));  // the other vCPU is not held up
  Advance(kMs);
  EXPECT_THAT(Take(), ElementsAre(0));
  timers.StopSingleshot(0);  // at once: nothing was spent
  ASSERT_TRUE(timers.SetSingleshot(0, time_.GuestNs(), false));
  EXPECT_THAT(Take(), ElementsAre(0));
}

TEST_F(VcpuTimersTest, AGuestThatForgetsItsTimerIsHeldUpForALimitedTime) {
  VcpuTimers timers(
      time_, deadlines_, 1, [this](unsigned vcpu) { fired_.push_back(vcpu); }, 1);
  Advance(kMs);
  timers.SetTimerOp(0, 1);
  EXPECT_THAT(Take(), ElementsAre(0));
  Advance(3'600'000 * kMs);
  timers.SetTimerOp(0, 1);
  Advance(VcpuTimers::kLongestDelayNs - 1);
  EXPECT_THAT(Take(), IsEmpty());
  Advance(1);
  EXPECT_THAT(Take(), ElementsAre(0));
}

TEST_F(VcpuTimersTest, ADeadlineAtTheEndOfTimeIsHarmless) {
  ASSERT_TRUE(timers_.SetSingleshot(0, ~std::uint64_t{0}, false));
  Advance(~std::uint64_t{0} / 4);
  EXPECT_THAT(Take(), IsEmpty());
}

// The real loop and clock: set, stop, fire from several threads at once.
TEST(VcpuTimersStress, SettersStoppersAndTheLoop) {
  auto loop = std::move(*EventLoop::Create());
  const LinearSystemTime time(HostClock(), HostClock().MonotonicNs());
  Deadlines deadlines(HostClock());
  std::atomic<int> fired{0};
  VcpuTimers timers(time, deadlines, 3, [&](unsigned) { ++fired; });
  LoopTimer wakeup(*loop, [&] { deadlines.OnWakeup(); });
  deadlines.Attach(wakeup);
  std::thread runner([&] { loop->Run(); });
  std::vector<std::thread> threads;
  for (unsigned vcpu = 0; vcpu < 3; ++vcpu) {
    threads.emplace_back([&, vcpu] {
      for (int round = 0; round < 300; ++round) {
        EXPECT_TRUE(timers.SetPeriodic((vcpu + 1) % 3, kMs));
        EXPECT_TRUE(timers.SetSingleshot(vcpu, time.GuestNs() + 1000, false));
        timers.SetTimerOp(vcpu, 1);
        timers.StopSingleshot(vcpu);
        timers.StopPeriodic((vcpu + 2) % 3);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (unsigned vcpu = 0; vcpu < 3; ++vcpu) {
    timers.StopPeriodic(vcpu);
  }
  loop->Stop();
  runner.join();
  EXPECT_GE(fired, 900) << "each deadline in the past fires at once";
}

}  // namespace
}  // namespace veneer
