#include "veneer/xencompat/domain/deadlines.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recording_wakeup.h"
#include "support/fake_clock.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DeadlinesTest : public ::testing::Test {
 protected:
  DeadlinesTest() {
    deadlines_.Attach(wakeup_);
    for (int i = 0; i < 3; ++i) {
      ids_.push_back(deadlines_.Add([this, i] { fired_.push_back(i); }));
    }
  }
  std::uint64_t In(std::uint64_t ns) const { return clock_.MonotonicNs() + ns; }
  std::vector<int> Take() { return std::exchange(fired_, {}); }

  FakeClock clock_;
  RecordingWakeup wakeup_;
  Deadlines deadlines_{clock_};
  std::vector<Deadlines::Id> ids_;
  std::vector<int> fired_;
};

TEST_F(DeadlinesTest, WakesUpForTheEarliest) {
  deadlines_.Set(ids_[0], In(300));
  EXPECT_EQ(wakeup_.deadline, In(300));
  deadlines_.Set(ids_[1], In(100));
  EXPECT_EQ(wakeup_.deadline, In(100));
  const unsigned sets = wakeup_.sets;
  deadlines_.Set(ids_[2], In(200));
  EXPECT_EQ(wakeup_.sets, sets) << "nothing earlier: the wake-up timer is left alone";
}

TEST_F(DeadlinesTest, FiresWhatIsDueAndKeepsTheRest) {
  deadlines_.Set(ids_[0], In(300));
  deadlines_.Set(ids_[1], In(100));
  const std::uint64_t last = In(300);
  clock_.Advance(100);
  deadlines_.OnWakeup();
  EXPECT_THAT(Take(), ElementsAre(1));
  EXPECT_EQ(wakeup_.deadline, last);
  clock_.Advance(200);
  deadlines_.OnWakeup();
  EXPECT_THAT(Take(), ElementsAre(0));
}

TEST_F(DeadlinesTest, AnEarlyWakeupFiresNothingAndArmsAgain) {
  deadlines_.Set(ids_[0], In(100));
  const unsigned sets = wakeup_.sets;
  deadlines_.OnWakeup();
  EXPECT_THAT(Take(), IsEmpty());
  EXPECT_EQ(wakeup_.sets, sets + 1);
  EXPECT_EQ(wakeup_.deadline, In(100));
}

TEST_F(DeadlinesTest, ThePastFiresAtOnce) {
  deadlines_.Set(ids_[0], In(0));
  EXPECT_THAT(Take(), ElementsAre(0));
  deadlines_.Set(ids_[0], 1);
  EXPECT_THAT(Take(), ElementsAre(0));
}

TEST_F(DeadlinesTest, AnArmedPastFiresAtTheNextWakeup) {
  deadlines_.Arm(ids_[0], 1);
  EXPECT_THAT(Take(), IsEmpty());
  EXPECT_EQ(wakeup_.deadline, 1U);
  deadlines_.OnWakeup();
  EXPECT_THAT(Take(), ElementsAre(0));
}

TEST_F(DeadlinesTest, StoppedOnesDoNotFire) {
  deadlines_.Set(ids_[0], In(100));
  deadlines_.Set(ids_[0], std::nullopt);
  EXPECT_EQ(wakeup_.deadline, std::nullopt);
  clock_.Advance(1000);
  deadlines_.OnWakeup();
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(DeadlinesTest, AHandlerMaySetItsOwnDeadline) {
  Deadlines::Id id = 0;
  int fired = 0;
  Deadlines deadlines(clock_);
  deadlines.Attach(wakeup_);
  id = deadlines.Add([&] {
    if (++fired < 3) {
      deadlines.Set(id, In(10));
    }
  });
  deadlines.Set(id, In(10));
  for (int i = 0; i < 5; ++i) {
    clock_.Advance(10);
    deadlines.OnWakeup();
  }
  EXPECT_EQ(fired, 3);
}

TEST(DeadlinesStress, SettersAndWakeupsFromManyThreads) {
  FakeClock clock;
  class NullWakeup final : public DeadlineTimer {
    void SetDeadline(std::optional<std::uint64_t>) override {}
  } wakeup;
  Deadlines deadlines(clock);
  std::atomic<int> fired{0};
  std::vector<Deadlines::Id> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(deadlines.Add([&] { ++fired; }));
  }
  deadlines.Attach(wakeup);
  constexpr int kRounds = 2000;
  std::vector<std::thread> threads;
  for (const Deadlines::Id id : ids) {
    threads.emplace_back([&, id] {
      for (int round = 0; round < kRounds; ++round) {
        deadlines.Set(id, clock.MonotonicNs() + static_cast<std::uint64_t>(round % 7));
        if (round % 5 == 0) {
          deadlines.Set(id, std::nullopt);
        }
      }
      deadlines.Set(id, std::nullopt);
    });
  }
  std::atomic<bool> stop{false};
  std::thread timer([&] {
    while (!stop) {
      clock.Advance(1);
      deadlines.OnWakeup();
    }
  });
  for (std::thread& thread : threads) {
    thread.join();
  }
  stop = true;
  timer.join();
  const int before = fired;
  clock.Advance(1000);
  deadlines.OnWakeup();
  EXPECT_EQ(fired, before) << "all were stopped";
  EXPECT_GT(before, 0);
}

}  // namespace
}  // namespace veneer
