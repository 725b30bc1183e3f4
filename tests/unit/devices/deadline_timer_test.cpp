#include "veneer/devices/deadline_timer.h"

#include <gtest/gtest.h>

#include "veneer/base/clock.h"

namespace veneer {
namespace {

class LoopTimerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto loop = EventLoop::Create();
    ASSERT_TRUE(loop);
    loop_ = std::move(*loop);
  }
  // Runs what is posted and due by now.
  void RunOnce() {
    bool stop_posted = false;
    // Timers run after posted tasks, so the stop goes in as a timer behind those that are due.
    loop_->Post([this, &stop_posted] {
      loop_->AddTimer(HostClock().MonotonicNs(), [this] { loop_->Stop(); });
      stop_posted = true;
    });
    loop_->Run();
    EXPECT_TRUE(stop_posted);
  }
  std::unique_ptr<EventLoop> loop_;
};

TEST_F(LoopTimerTest, CallsBackOnceAtTheDeadline) {
  int calls = 0;
  LoopTimer timer(*loop_, [&] { ++calls; });
  timer.SetDeadline(1);
  RunOnce();
  EXPECT_EQ(calls, 1);
}

TEST_F(LoopTimerTest, TheLastDeadlineCounts) {
  const std::uint64_t deadline = HostClock().MonotonicNs() + 2'000'000;
  std::uint64_t called_at = 0;
  LoopTimer timer(*loop_, [&] {
    called_at = HostClock().MonotonicNs();
    loop_->Stop();
  });
  timer.SetDeadline(1);
  timer.SetDeadline(deadline);
  loop_->Run();
  EXPECT_GE(called_at, deadline);
}

TEST_F(LoopTimerTest, ADisarmedTimerDoesNotCallBack) {
  int calls = 0;
  LoopTimer timer(*loop_, [&] { ++calls; });
  timer.SetDeadline(1);
  timer.SetDeadline(std::nullopt);
  RunOnce();
  EXPECT_EQ(calls, 0);
}

TEST_F(LoopTimerTest, MayBeSetAgainFromItsCallback) {
  int calls = 0;
  LoopTimer* self = nullptr;
  LoopTimer timer(*loop_, [&] {
    if (++calls == 3) {
      loop_->Stop();
    } else {
      self->SetDeadline(1);
    }
  });
  self = &timer;
  timer.SetDeadline(1);
  loop_->Run();
  EXPECT_EQ(calls, 3);
}

TEST_F(LoopTimerTest, MayGoBeforeTheLoopDoes) {
  int calls = 0;
  {
    LoopTimer(*loop_, [&] { ++calls; }).SetDeadline(1);
  }
  RunOnce();
  EXPECT_LE(calls, 1);
}

}  // namespace
}  // namespace veneer
