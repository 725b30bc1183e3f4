#include "veneer/xencompat/domain/runstate.h"

#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace veneer {
namespace {

class RunstateTest : public ::testing::Test {
 protected:
  static std::uint64_t Sum(const vcpu_runstate_info_t& info) {
    return std::accumulate(std::begin(info.time), std::end(info.time), std::uint64_t{0});
  }
  GuestArea Area(std::uint64_t address, std::size_t size) {
    return *GuestArea::Resolve(
        *memory_, [](std::uint64_t at) { return std::optional(Gpa{at}); }, address, size);
  }

  FakeClock clock_;
  LinearSystemTime time_{clock_, clock_.MonotonicNs()};
  std::unique_ptr<GuestMemory> memory_ = std::move(*GuestMemory::CreateFlat(2 * kPageSize));
  Runstate runstate_{time_};
};

TEST_F(RunstateTest, TimeBeforeTheStartIsOffline) {
  clock_.Advance(5);
  runstate_.Enter(RunState::kRunning);
  clock_.Advance(7);
  const auto info = runstate_.Read();
  EXPECT_EQ(info.state, RUNSTATE_running);
  EXPECT_EQ(info.state_entry_time, 5U);
  EXPECT_EQ(info.time[RUNSTATE_offline], 5U);
  EXPECT_EQ(info.time[RUNSTATE_running], 7U);
}

TEST_F(RunstateTest, EnteringTheSameStateIsNoChange) {
  runstate_.Enter(RunState::kRunning);
  clock_.Advance(7);
  runstate_.Enter(RunState::kRunning);
  EXPECT_EQ(runstate_.Read().state_entry_time, 0U);
}

TEST_F(RunstateTest, StolenTimeIsTakenFromTheState) {
  runstate_.Enter(RunState::kRunning);
  clock_.Advance(100);
  runstate_.SetStolen(30);
  const auto info = runstate_.Read();
  EXPECT_EQ(info.time[RUNSTATE_running], 70U);
  EXPECT_EQ(info.time[RUNSTATE_runnable], 30U);
}

TEST_F(RunstateTest, StolenTimeIsATotal) {
  runstate_.Enter(RunState::kRunning);
  clock_.Advance(100);
  runstate_.SetStolen(30);
  runstate_.SetStolen(30);
  runstate_.SetStolen(10);  // goes back: another clock; ignored
  EXPECT_EQ(runstate_.Read().time[RUNSTATE_runnable], 30U);
}

TEST_F(RunstateTest, TheTimesAlwaysAddUp) {
  runstate_.Enter(RunState::kRunning);
  std::uint64_t stolen = 0;
  vcpu_runstate_info_t last = runstate_.Read();
  for (int i = 0; i < 50; ++i) {
    clock_.Advance(static_cast<std::uint64_t>(i % 7));
    stolen += static_cast<std::uint64_t>(i % 11);  // more than there was, at times
    runstate_.SetStolen(stolen);
    runstate_.Enter(i % 3 == 0 ? RunState::kBlocked : RunState::kRunning);
    const auto info = runstate_.Read();
    EXPECT_EQ(Sum(info), time_.GuestNs());
    for (std::size_t state = 0; state < 4; ++state) {
      EXPECT_GE(info.time[state], last.time[state]) << "no account ever shrinks";
    }
    last = info;
  }
}

TEST_F(RunstateTest, PublishesInEitherLayout) {
  clock_.Advance(3);
  runstate_.Enter(RunState::kRunning);
  clock_.Advance(4);
  runstate_.SetArea(Area(kPageSize - 12, sizeof(vcpu_runstate_info_t)));
  runstate_.Publish(*memory_, GuestWidth::k64, false);
  const auto wide = memory_->Read<vcpu_runstate_info_t>(Gpa{kPageSize - 12});
  EXPECT_EQ(wide->state, RUNSTATE_running);
  EXPECT_EQ(wide->state_entry_time, 3U);
  EXPECT_EQ(wide->time[RUNSTATE_running], 4U);
  runstate_.SetArea(Area(0x100, 44));
  runstate_.Publish(*memory_, GuestWidth::k32, true);
  EXPECT_EQ(memory_->Read<std::uint64_t>(Gpa{0x104}), 3U) << "the update flag is off again";
  EXPECT_EQ(memory_->Read<std::uint64_t>(Gpa{0x10c}), 4U);
  EXPECT_EQ(memory_->Read<std::uint64_t>(Gpa{0x124}), 3U);
}

TEST_F(RunstateTest, AnAreaOf32BitsIsNotWrittenBeyondItsEnd) {
  runstate_.SetArea(Area(0x100, 44));
  ASSERT_TRUE(memory_->Fill(Gpa{0x100}, 64, std::byte{0xee}));
  runstate_.Publish(*memory_, GuestWidth::k64, false);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{0x100}), 0xee);
}

TEST_F(RunstateTest, AccountsHoldWithSeveralThreads) {
  runstate_.SetArea(Area(0, sizeof(vcpu_runstate_info_t)));
  std::thread vcpu([&] {
    for (int i = 0; i < 1000; ++i) {
      clock_.Advance(1);
      runstate_.Enter(i % 2 == 0 ? RunState::kBlocked : RunState::kRunning);
      runstate_.Publish(*memory_, GuestWidth::k64, true);
    }
  });
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t sum = Sum(runstate_.Read());
    EXPECT_LE(sum, time_.GuestNs());
  }
  vcpu.join();
  EXPECT_EQ(Sum(runstate_.Read()), 1000U);
}

}  // namespace
}  // namespace veneer
