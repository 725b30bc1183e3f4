#include "veneer/vmm/base/moderated_event.h"

#include <unistd.h>

#include <functional>

#include <gtest/gtest.h>

#include "support/units.h"
#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

constexpr std::uint64_t kHour = 3'600'000 * kMs;

class ModeratedEventTest : public ::testing::Test {
 protected:
  // Signals once and runs the loop. `then` is called after each time the event has been heard, with
  // how often that was.
  void Run(std::uint64_t interval_ns, std::function<void(std::size_t)> then) {
    event_ = ModeratedEvent::Create(*loop_, interval_ns, [this, then = std::move(then)] {
               then(++heard_);
             }).value();
    Signal();
    loop_->Run();
  }
  void Signal() const {
    const std::uint64_t one = 1;
    ASSERT_EQ(write(event_->fd(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  }
  void StopIn(std::uint64_t ns) {
    loop_->AddTimer(HostClock().MonotonicNs() + ns, [this] { loop_->Stop(); });
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  std::unique_ptr<ModeratedEvent> event_;
  std::size_t heard_ = 0;
};

TEST_F(ModeratedEventTest, TheFirstSignalIsHeardAtOnceAndTheRestLater) {
  Run(kHour, [this](std::size_t) {
    for (int i = 0; i < 5; ++i) {
      loop_->Post([this] { Signal(); });
    }
    StopIn(3 * kMs);
  });
  EXPECT_EQ(heard_, 1U);
}

TEST_F(ModeratedEventTest, SignalsOfTheIntervalAreHeardOnceAtItsEnd) {
  constexpr std::uint64_t kInterval = 2 * kMs;
  Run(kInterval, [this](std::size_t times) {
    if (times == 1) {
      loop_->Post([this] { Signal(); });
      loop_->Post([this] { Signal(); });
    } else {
      StopIn(3 * kInterval);
    }
  });
  EXPECT_EQ(heard_, 2U);
}

TEST_F(ModeratedEventTest, ASignalDuringItsHandlingIsNotLost) {
  Run(1000, [this](std::size_t times) {
    if (times == 1) {
      Signal();
    } else {
      loop_->Stop();
    }
  });
  EXPECT_EQ(heard_, 2U);
}

TEST_F(ModeratedEventTest, MayGoBeforeItsLoop) {
  Run(1000, [this](std::size_t) {
    loop_->Post([this] { event_.reset(); });
    StopIn(3 * kMs);
  });
  EXPECT_EQ(heard_, 1U);
}

}  // namespace
}  // namespace veneer
