#include "veneer/vmm/base/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

class EventLoopTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loop = EventLoop::Create();
    ASSERT_TRUE(loop);
    loop_ = std::move(*loop);
  }
  static UniqueFd ReadyFd() { return UniqueFd(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)); }
  static void Drain(int fd) {
    std::uint64_t count = 0;
    ASSERT_EQ(read(fd, &count, sizeof count), static_cast<ssize_t>(sizeof count));
  }

  std::unique_ptr<EventLoop> loop_;
};

TEST_F(EventLoopTest, RunsPostedTasksInOrder) {
  std::string order;
  loop_->Post([&] { order += 'a'; });
  loop_->Post([&] { order += 'b'; });
  loop_->Post([&] {
    order += 'c';
    loop_->Stop();
  });
  loop_->Run();
  EXPECT_EQ(order, "abc");
}

TEST_F(EventLoopTest, ATaskMayPostAnother) {
  int runs = 0;
  std::function<void()> again = [&] {
    if (++runs == 5) {
      loop_->Stop();
    } else {
      loop_->Post(again);
    }
  };
  loop_->Post(again);
  loop_->Run();
  EXPECT_EQ(runs, 5);
}

TEST_F(EventLoopTest, StopBeforeRunStillRunsWhatIsReady) {
  bool ran = false;
  loop_->Post([&] { ran = true; });
  loop_->Stop();
  loop_->Run();
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, OtherThreadsPostWithoutLoss) {
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  int ran = 0;  // only the loop's thread touches it
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        loop_->Post([&] {
          if (++ran == kThreads * kEach) {
            loop_->Stop();
          }
        });
      }
    });
  }
  loop_->Run();
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(ran, kThreads * kEach);
}

TEST_F(EventLoopTest, StopFromAnotherThreadEndsRun) {
  std::thread stopper([&] { loop_->Stop(); });
  loop_->Run();
  stopper.join();
}

TEST_F(EventLoopTest, WaitingTasksAreDestroyedWithTheLoop) {
  auto token = std::make_shared<int>(1);
  bool ran = false;
  loop_->Post([token, &ran] { ran = true; });
  EXPECT_EQ(token.use_count(), 2);
  loop_.reset();
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_FALSE(ran);
}

TEST_F(EventLoopTest, HandlerGetsTheReadyEvents) {
  const UniqueFd fd = ReadyFd();
  std::uint32_t seen = 0;
  ASSERT_TRUE(loop_->AddFd(fd.get(), EPOLLIN | EPOLLOUT, [&](std::uint32_t events) {
    seen = events;
    loop_->Stop();
  }));
  loop_->Run();
  EXPECT_EQ(seen, static_cast<std::uint32_t>(EPOLLIN | EPOLLOUT));
}

TEST_F(EventLoopTest, HandlersAreLevelTriggered) {
  const UniqueFd fd = ReadyFd();
  int calls = 0;
  ASSERT_TRUE(loop_->AddFd(fd.get(), EPOLLIN, [&](std::uint32_t) {
    if (++calls == 3) {
      Drain(fd.get());
      loop_->Stop();
    }
  }));
  loop_->Run();
  EXPECT_EQ(calls, 3);
}

TEST_F(EventLoopTest, AHandlerMayRemoveItself) {
  const UniqueFd fd = ReadyFd();
  int calls = 0;
  ASSERT_TRUE(loop_->AddFd(fd.get(), EPOLLIN, [&](std::uint32_t) {
    ++calls;
    loop_->RemoveFd(fd.get());
    loop_->Post([&] { loop_->Stop(); });
  }));
  loop_->Run();
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, AHandlerRemovedByAnEarlierOneOfTheRoundIsNotCalled) {
  const UniqueFd a = ReadyFd();
  const UniqueFd b = ReadyFd();
  int calls = 0;
  const auto remove_both = [&](std::uint32_t) {
    ++calls;
    loop_->RemoveFd(a.get());
    loop_->RemoveFd(b.get());
    loop_->Stop();
  };
  ASSERT_TRUE(loop_->AddFd(a.get(), EPOLLIN, remove_both));
  ASSERT_TRUE(loop_->AddFd(b.get(), EPOLLIN, remove_both));
  loop_->Run();
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, RefusesABadDescriptorAndASecondHandler) {
  const Result<void> bad = loop_->AddFd(-1, EPOLLIN, [](std::uint32_t) {});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().kind, ErrorKind::kHost);
  const UniqueFd fd = ReadyFd();
  ASSERT_TRUE(loop_->AddFd(fd.get(), EPOLLIN, [](std::uint32_t) {}));
  EXPECT_FALSE(loop_->AddFd(fd.get(), EPOLLIN, [](std::uint32_t) {}));
  loop_->RemoveFd(fd.get());
  EXPECT_TRUE(loop_->AddFd(fd.get(), EPOLLIN, [](std::uint32_t) {}));
}

TEST_F(EventLoopTest, TimersFireByDeadlineThenByAge) {
  std::string order;
  loop_->AddTimer(30, [&] {
    order += 'd';
    loop_->Stop();
  });
  loop_->AddTimer(10, [&] { order += 'a'; });
  loop_->AddTimer(20, [&] { order += 'b'; });
  loop_->AddTimer(20, [&] { order += 'c'; });
  loop_->Run();
  EXPECT_EQ(order, "abcd");
}

TEST_F(EventLoopTest, ATimerNeverFiresBeforeItsDeadline) {
  const std::uint64_t deadline = HostClock().MonotonicNs() + 3'000'000;
  std::uint64_t fired_at = 0;
  loop_->AddTimer(deadline, [&] {
    fired_at = HostClock().MonotonicNs();
    loop_->Stop();
  });
  loop_->Run();
  EXPECT_GE(fired_at, deadline);
}

TEST_F(EventLoopTest, ACanceledTimerDoesNotFire) {
  bool fired = false;
  const EventLoop::TimerId id = loop_->AddTimer(1, [&] { fired = true; });
  loop_->CancelTimer(id);
  loop_->CancelTimer(id);
  loop_->AddTimer(2, [&] { loop_->Stop(); });
  loop_->Run();
  EXPECT_FALSE(fired);
}

TEST_F(EventLoopTest, ATimerMayCancelOneThatIsDueWithIt) {
  bool fired = false;
  EventLoop::TimerId second = 0;
  const EventLoop::TimerId first = loop_->AddTimer(1, [&] { loop_->CancelTimer(second); });
  second = loop_->AddTimer(2, [&] { fired = true; });
  loop_->AddTimer(3, [&] {
    loop_->CancelTimer(first);  // fired already: no effect
    loop_->Stop();
  });
  loop_->Run();
  EXPECT_FALSE(fired);
}

TEST_F(EventLoopTest, ATimerMaySetTheNext) {
  int fired = 0;
  std::function<void()> tick = [&] {
    if (++fired == 3) {
      loop_->Stop();
    } else {
      loop_->AddTimer(HostClock().MonotonicNs(), tick);
    }
  };
  loop_->AddTimer(0, tick);
  loop_->Run();
  EXPECT_EQ(fired, 3);
}

// Both are ready in one round; whichever is told first closes the other, whose number a new file
// gets.
TEST_F(EventLoopTest, EventsOfAClosedFileAreNotThoseOfTheNextOneWithItsNumber) {
  std::array<UniqueFd, 2> files{ReadyFd(), ReadyFd()};
  UniqueFd next;
  bool told = false;
  for (std::size_t i = 0; i < files.size(); ++i) {
    ASSERT_TRUE(loop_->AddFd(files.at(i).get(), EPOLLIN, [&, i](std::uint32_t) {
      UniqueFd& other = files.at(1 - i);
      const int number = other.get();
      loop_->RemoveFd(number);
      loop_->RemoveFd(files.at(i).get());
      other.Reset();
      next.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));  // nothing to tell
      EXPECT_EQ(next.get(), number);
      EXPECT_TRUE(loop_->AddFd(number, EPOLLIN, [&](std::uint32_t) { told = true; }));
      loop_->Post([&] { loop_->Stop(); });
    }));
  }
  loop_->Run();
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace veneer
