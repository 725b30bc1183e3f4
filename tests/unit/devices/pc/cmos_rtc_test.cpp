#include "veneer/devices/pc/cmos_rtc.h"

#include <array>

#include <gtest/gtest.h>

#include "port_bus.h"
#include "support/fake_clock.h"
#include "support/fake_devices.h"
#include "support/units.h"

namespace veneer {
namespace {

constexpr std::uint64_t kStart = 1709210096 * kSecond;  // 2024-02-29 12:34:56 UTC

constexpr std::uint8_t kA = 0x0a;
constexpr std::uint8_t kB = 0x0b;
constexpr std::uint8_t kC = 0x0c;
constexpr std::uint8_t kUip = 0x80;
constexpr std::uint8_t kSet = 0x80;
constexpr std::uint8_t kBinary = 0x04;
constexpr std::uint8_t kHours24 = 0x02;

class CmosRtcTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(rtc_.Attach(ports_.bus)); }
  std::uint8_t Get(std::uint8_t index) {
    ports_.Out8(0x70, index);
    return ports_.In8(0x71);
  }
  void Put(std::uint8_t index, std::uint8_t value) {
    ports_.Out8(0x70, index);
    ports_.Out8(0x71, value);
  }
  // Hour, minute, second as the guest sees them, in the format of the moment.
  std::array<unsigned, 3> Time() { return {Get(4), Get(2), Get(0)}; }

  PortBus ports_;
  FakeClock clock_{kStart};
  FakeInterruptLine line_;
  FakeDeadlineTimer timer_;
  CmosRtc rtc_{clock_, line_, CmosRtc::Memory{3072 * kMiB, 1024 * kMiB}};
};

using Hms = std::array<unsigned, 3>;

TEST_F(CmosRtcTest, TellsTheHostsTimeInBcd) {
  EXPECT_EQ(Time(), (Hms{0x12, 0x34, 0x56}));
  EXPECT_EQ(Get(6), 5);  // Thursday
  EXPECT_EQ(Get(7), 0x29);
  EXPECT_EQ(Get(8), 0x02);
  EXPECT_EQ(Get(9), 0x24);
  EXPECT_EQ(Get(0x32), 0x20);
  EXPECT_EQ(Get(0x0d), 0x80);
}

TEST_F(CmosRtcTest, RunsWithTheClock) {
  clock_.Advance(4 * kSecond);
  EXPECT_EQ(Time(), (Hms{0x12, 0x35, 0x00}));
}

TEST_F(CmosRtcTest, StatusBChoosesTheFormat) {
  Put(kB, kBinary | kHours24);
  EXPECT_EQ(Time(), (Hms{12, 34, 56}));
  clock_.Advance(3600 * kSecond);
  Put(kB, 0);
  EXPECT_EQ(Time(), (Hms{0x81, 0x34, 0x56}));
}

TEST_F(CmosRtcTest, TheNmiBitOfTheIndexIsIgnored) { EXPECT_EQ(Get(0x80), 0x56); }

TEST_F(CmosRtcTest, TheIndexCannotBeRead) {
  ports_.Out8(0x70, 4);
  EXPECT_EQ(ports_.In8(0x70), 0xff);
  EXPECT_EQ(ports_.In16(0x70), 0x12ff);
}

TEST_F(CmosRtcTest, AWordWriteSetsIndexAndData) {
  ports_.Out16(0x70, 0x5a40);
  EXPECT_EQ(Get(0x40), 0x5a);
}

TEST_F(CmosRtcTest, UpdateInProgressComesAndGoesInEverySecond) {
  EXPECT_EQ(Get(kA) & kUip, 0);
  clock_.Advance(997 * kMs);
  EXPECT_EQ(Get(kA) & kUip, 0);
  clock_.Advance(1 * kMs);
  EXPECT_EQ(Get(kA) & kUip, kUip);
  clock_.Advance(2 * kMs);
  EXPECT_EQ(Get(kA) & kUip, 0);
}

// What Linux does to set the clock: SET, divider reset, registers, then both back.
TEST_F(CmosRtcTest, LinuxSetsTheTime) {
  const std::uint8_t b = Get(kB);
  Put(kB, b | kSet);
  const std::uint8_t a = Get(kA);
  Put(kA, a | 0x70);
  Put(9, 0x99);
  Put(8, 0x12);
  Put(7, 0x31);
  Put(4, 0x23);
  Put(2, 0x59);
  Put(0, 0x59);
  Put(0x32, 0x19);
  clock_.Advance(10 * kSecond);
  EXPECT_EQ(Time(), (Hms{0x23, 0x59, 0x59})) << "stands still while it is set";
  Put(kB, b);
  Put(kA, a);
  EXPECT_EQ(Time(), (Hms{0x23, 0x59, 0x59}));
  clock_.Advance(499 * kMs);
  EXPECT_EQ(Get(0), 0x59);
  clock_.Advance(1 * kMs);  // the first update comes half a second after the divider is let go
  EXPECT_EQ(Time(), (Hms{0, 0, 0}));
  EXPECT_EQ(Get(7), 0x01);
  EXPECT_EQ(Get(9), 0x00);
  EXPECT_EQ(Get(0x32), 0x20);
}

TEST_F(CmosRtcTest, SetWithoutDividerResetStartsAtAWholeSecond) {
  clock_.Advance(700 * kMs);
  Put(kB, kSet | kHours24);
  Put(0, 0x10);
  Put(kB, kHours24);
  clock_.Advance(999 * kMs);
  EXPECT_EQ(Get(0), 0x10);
  clock_.Advance(1 * kMs);
  EXPECT_EQ(Get(0), 0x11);
}

TEST_F(CmosRtcTest, ARegisterCanBeWrittenWhileTheClockRuns) {
  Put(2, 0x00);
  EXPECT_EQ(Time(), (Hms{0x12, 0x00, 0x56}));
  clock_.Advance(kSecond);
  EXPECT_EQ(Time(), (Hms{0x12, 0x00, 0x57}));
}

TEST_F(CmosRtcTest, ATimeThatDoesNotExistIsNotTaken) {
  Put(kB, kSet | kHours24);
  Put(8, 0x13);
  Put(0, 0xff);
  EXPECT_EQ(Get(8), 0x13);
  Put(kB, kHours24);
  EXPECT_EQ(Get(8), 0x02);
  EXPECT_EQ(Time(), (Hms{0x12, 0x34, 0x56}));
}

TEST_F(CmosRtcTest, EveryValueInEveryRegisterIsSurvived) {
  rtc_.SetTimer(timer_);
  for (unsigned index = 0; index < 128; ++index) {
    for (unsigned value = 0; value < 256; ++value) {
      Put(static_cast<std::uint8_t>(index), static_cast<std::uint8_t>(value));
      clock_.Advance(11 * kMs);
      rtc_.OnDeadline();
      Get(static_cast<std::uint8_t>(index));
      Get(kC);
    }
  }
}

TEST_F(CmosRtcTest, MemorySizesAreWhereBiosesPutThem) {
  EXPECT_EQ(Get(0x15) | Get(0x16) << 8, 640);
  EXPECT_EQ(Get(0x17) | Get(0x18) << 8, 0xffff);
  EXPECT_EQ(Get(0x30) | Get(0x31) << 8, 0xffff);
  EXPECT_EQ(Get(0x34) | Get(0x35) << 8, (3072 - 16) * 16);
  EXPECT_EQ(Get(0x5b) | Get(0x5c) << 8 | Get(0x5d) << 16, 1024 * 16);
  unsigned sum = 0;
  for (std::uint8_t i = 0x10; i <= 0x2d; ++i) {
    sum += Get(i);
  }
  EXPECT_EQ(static_cast<unsigned>(Get(0x2e) << 8 | Get(0x2f)), sum);
}

TEST_F(CmosRtcTest, ABiosFindsTheOrderOfItsDisks) {
  using enum CmosRtc::BootDevice;
  rtc_.SetBootOrder(std::array{kCdrom, kHardDisk});
  EXPECT_EQ(Get(0x3d), 0x23) << "the first in the low digit";
  EXPECT_EQ(Get(0x38) & 1, 1);
  rtc_.SetBootOrder(std::array{kHardDisk, kCdrom});
  EXPECT_EQ(Get(0x3d), 0x32);
  rtc_.SetBootOrder(std::array{kCdrom});
  EXPECT_EQ(Get(0x3d), 0x03);
}

TEST_F(CmosRtcTest, SmallMemoriesDoNotUnderflow) {
  CmosRtc small(clock_, line_, CmosRtc::Memory{kMiB / 2, 0});
  PortBus ports;
  ASSERT_TRUE(small.Attach(ports.bus));
  ports.Out8(0x70, 0x15);
  EXPECT_EQ(ports.In8(0x71), 0x00);
  ports.Out8(0x70, 0x16);
  EXPECT_EQ(ports.In8(0x71), 0x02);
  ports.Out8(0x70, 0x17);
  EXPECT_EQ(ports.In8(0x71), 0);
  ports.Out8(0x70, 0x34);
  EXPECT_EQ(ports.In8(0x71), 0);
}

TEST_F(CmosRtcTest, FlagsWithoutEnabledInterruptStayQuiet) {
  clock_.Advance(kSecond);
  EXPECT_EQ(Get(kC), 0x40 | 0x10);  // periodic and update, no request
  EXPECT_EQ(Get(kC), 0);
  EXPECT_EQ(line_.edges(), 0);
  EXPECT_FALSE(timer_.deadline());
}

class CmosRtcInterruptTest : public CmosRtcTest {
 protected:
  void SetUp() override {
    CmosRtcTest::SetUp();
    rtc_.SetTimer(timer_);
  }
  // Lets time pass up to the deadline that the clock asked for, which must be `in_ns` away.
  void RunToDeadline(std::uint64_t in_ns) {
    ASSERT_TRUE(timer_.deadline());
    ASSERT_EQ(*timer_.deadline() - clock_.MonotonicNs(), in_ns);
    clock_.Advance(in_ns);
    rtc_.OnDeadline();
  }
};

TEST_F(CmosRtcInterruptTest, UpdateEndedEverySecond) {
  clock_.Advance(300 * kMs);
  Put(kB, kHours24 | 0x10);
  Get(kC);
  RunToDeadline(700 * kMs);
  EXPECT_TRUE(line_.level());
  EXPECT_FALSE(timer_.deadline()) << "the flag is up: nothing to wait for";
  EXPECT_EQ(Get(kC) & 0x90, 0x90);
  EXPECT_FALSE(line_.level());
  RunToDeadline(kSecond);
  EXPECT_EQ(line_.edges(), 2);
}

TEST_F(CmosRtcInterruptTest, AlarmAtItsTime) {
  Put(1, 0x00);
  Put(3, 0x36);
  Put(5, 0x12);
  Put(kB, kHours24 | 0x20);
  RunToDeadline(64 * kSecond);
  EXPECT_TRUE(line_.level());
  EXPECT_EQ(Get(kC) & 0xa0, 0xa0);
  EXPECT_FALSE(line_.level());
}

TEST_F(CmosRtcInterruptTest, TheAlarmsWireRisesOnceForEachInterruptOfAnAlarm) {
  int alarms = 0;
  rtc_.SetAlarmHandler([&] { ++alarms; });
  Put(5, 0x12);
  Put(3, 0x34);
  Put(1, 0x58);
  Put(kB, kHours24 | 0x10);  // other interrupts are none
  clock_.Advance(3 * kSecond);
  rtc_.OnDeadline();
  EXPECT_TRUE(line_.level());
  EXPECT_EQ(alarms, 0);
  Get(kC);
  Put(1, 0x02);
  Put(3, 0x35);
  Put(kB, kHours24 | 0x20);
  clock_.Advance(3 * kSecond);
  rtc_.OnDeadline();
  EXPECT_EQ(alarms, 1);
  clock_.Advance(10 * kSecond);
  rtc_.OnDeadline();
  EXPECT_EQ(alarms, 1) << "it is still the same interrupt";
  Get(kC);
  Put(1, 0x20);
  clock_.Advance(10 * kSecond);
  rtc_.OnDeadline();
  EXPECT_EQ(alarms, 2);
}

TEST_F(CmosRtcInterruptTest, AlarmWithWildcardsEveryMinute) {
  Put(1, 0x00);
  Put(3, 0xc0);
  Put(5, 0xff);
  Put(kB, kHours24 | 0x20);
  RunToDeadline(4 * kSecond);
  EXPECT_EQ(Get(kC) & 0xa0, 0xa0);
  RunToDeadline(60 * kSecond);
}

TEST_F(CmosRtcInterruptTest, PeriodicAtTheRateOfStatusA) {
  Put(kA, 0x2f);  // 2 Hz
  Put(kB, kHours24 | 0x40);
  RunToDeadline(500 * kMs);
  EXPECT_EQ(Get(kC) & 0xc0, 0xc0);
  RunToDeadline(500 * kMs);
  EXPECT_TRUE(line_.level());
}

TEST_F(CmosRtcInterruptTest, AFastRateDoesNotPileUpWhenNobodyReadsStatusC) {
  Put(kA, 0x23);  // 8192 Hz
  Put(kB, kHours24 | 0x40);
  ASSERT_TRUE(timer_.deadline());
  clock_.Advance(kMs);
  rtc_.OnDeadline();
  EXPECT_FALSE(timer_.deadline());
  EXPECT_EQ(line_.edges(), 1);
}

TEST_F(CmosRtcInterruptTest, AnEarlyCallOnlyRearms) {
  Put(kB, kHours24 | 0x10);
  clock_.Advance(400 * kMs);
  rtc_.OnDeadline();
  EXPECT_FALSE(line_.level());
  RunToDeadline(600 * kMs);
  EXPECT_TRUE(line_.level());
}

TEST_F(CmosRtcInterruptTest, DisablingDisarmsAndLowersTheLine) {
  Put(kB, kHours24 | 0x10);
  RunToDeadline(kSecond);
  EXPECT_TRUE(line_.level());
  Put(kB, kHours24);
  EXPECT_FALSE(line_.level());
  Put(kB, kHours24 | 0x20);
  ASSERT_TRUE(timer_.deadline());
  Put(kB, kHours24);
  EXPECT_FALSE(timer_.deadline());
}

TEST_F(CmosRtcInterruptTest, AStoppedClockDoesNotInterrupt) {
  Put(kB, kHours24 | kSet | 0x30);
  EXPECT_FALSE(timer_.deadline());
  clock_.Advance(100 * kSecond);
  rtc_.OnDeadline();
  EXPECT_FALSE(line_.level());
}

TEST_F(CmosRtcInterruptTest, TheHostsClockMaySetBack) {
  Put(kB, kHours24 | 0x10);
  clock_.SetRealtime(kStart - 3600 * kSecond);
  rtc_.OnDeadline();
  EXPECT_FALSE(line_.level());
  EXPECT_EQ(Time(), (Hms{0x11, 0x34, 0x56}));
  RunToDeadline(kSecond);
  EXPECT_TRUE(line_.level());
}

}  // namespace
}  // namespace veneer
