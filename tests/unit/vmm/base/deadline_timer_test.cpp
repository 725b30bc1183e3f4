#include "veneer/vmm/base/deadline_timer.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/eventually.h"
#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

class LoopTimerTest : public ::testing::Test {
 protected:
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
  std::unique_ptr<EventLoop> loop_ = std::move(*EventLoop::Create());
};

TEST_F(LoopTimerTest, WakesAtItsDeadlineOnTheLoopsThread) {
  std::thread::id woken_on;
  LoopTimer timer(*loop_, [&] {
    woken_on = std::this_thread::get_id();
    loop_->Stop();
  });
  const std::uint64_t deadline = HostClock().MonotonicNs() + 2'000'000;
  timer.SetDeadline(deadline);
  loop_->Run();
  EXPECT_GE(HostClock().MonotonicNs(), deadline);
  EXPECT_EQ(woken_on, std::this_thread::get_id());
}

TEST_F(LoopTimerTest, AnEarlierDeadlineReplacesALaterOne) {
  LoopTimer timer(*loop_, [&] { loop_->Stop(); });
  timer.SetDeadline(HostClock().MonotonicNs() + 3'600'000'000'000);
  loop_->Post([&] { timer.SetDeadline(1); });
  loop_->Run();
}

TEST_F(LoopTimerTest, ALaterDeadlineIsKept) {
  const std::uint64_t first = HostClock().MonotonicNs() + 1'000'000;
  const std::uint64_t second = first + 3'000'000;
  LoopTimer timer(*loop_, [&] { loop_->Stop(); });
  timer.SetDeadline(first);
  loop_->Post([&] { timer.SetDeadline(second); });
  loop_->Run();
  EXPECT_GE(HostClock().MonotonicNs(), second);
}

TEST_F(LoopTimerTest, ADisarmedTimerDoesNotWake) {
  int woken = 0;
  LoopTimer timer(*loop_, [&] { ++woken; });
  timer.SetDeadline(HostClock().MonotonicNs() + 1'000'000);
  timer.SetDeadline(std::nullopt);
  loop_->AddTimer(HostClock().MonotonicNs() + 5'000'000, [&] { loop_->Stop(); });
  loop_->Run();
  EXPECT_EQ(woken, 0);
}

TEST_F(LoopTimerTest, ATimerMayGoBeforeItsLoop) {
  {
    LoopTimer timer(*loop_, [] {});
    timer.SetDeadline(1);
  }
  loop_->Post([&] { loop_->Stop(); });
  loop_->Run();
}

TEST_F(LoopTimerTest, CallsBackOnceAtTheDeadline) {
  int calls = 0;
  LoopTimer timer(*loop_, [&] { ++calls; });
  timer.SetDeadline(1);
  RunOnce();
  EXPECT_EQ(calls, 1);
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

TEST_F(LoopTimerTest, DeadlinesFromManyThreads) {
  std::atomic<int> woken{0};
  LoopTimer timer(*loop_, [&] { ++woken; });
  std::thread runner([&] { loop_->Run(); });
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 500; ++round) {
        timer.SetDeadline(HostClock().MonotonicNs() + static_cast<std::uint64_t>(round) * 100);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  // Whatever happened before, a deadline set now is heard.
  const int before = woken;
  timer.SetDeadline(1);
  EXPECT_TRUE(testing::Eventually([&] { return woken != before; }));
  loop_->Stop();
  runner.join();
}

}  // namespace
}  // namespace veneer
