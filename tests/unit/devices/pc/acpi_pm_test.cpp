#include "veneer/devices/pc/acpi_pm.h"

#include <gtest/gtest.h>

#include "port_bus.h"
#include "support/fake_clock.h"
#include "support/fake_devices.h"
#include "support/units.h"

namespace veneer {
namespace {

constexpr std::uint64_t kStatus = 0x600;
constexpr std::uint64_t kEnable = 0x602;
constexpr std::uint64_t kControl = 0x604;
constexpr std::uint64_t kTimer = 0x608;
constexpr std::uint64_t kGpeStatus = 0xafe0;
constexpr std::uint64_t kGpeEnable = 0xafe2;
constexpr std::uint16_t kPowerButton = 0x100;

class AcpiPmTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(pm_.Attach(ports_.bus)); }
  PortBus ports_;
  FakeClock clock_;
  FakeInterruptLine sci_;
  FakePowerControl power_;
  AcpiPm pm_{clock_, sci_, power_};
};

TEST_F(AcpiPmTest, IsInAcpiModeAndStaysThere) {
  EXPECT_EQ(ports_.In16(kControl), 1);
  ports_.Out16(kControl, 0);
  EXPECT_EQ(ports_.In16(kControl), 1);
}

TEST_F(AcpiPmTest, SleepTypeFiveWithSleepEnablePowersOff) {
  ports_.Out16(kControl, 5U << 10U);
  EXPECT_EQ(power_.power_offs, 0);
  EXPECT_EQ(ports_.In16(kControl), (5U << 10U) | 1U);
  ports_.Out16(kControl, (5U << 10U) | (1U << 13U));
  EXPECT_EQ(power_.power_offs, 1);
  EXPECT_EQ(ports_.In16(kControl) & (1U << 13U), 0) << "SLP_EN always reads as zero";
}

TEST_F(AcpiPmTest, SleepRequestMayComeAsTwoBytes) {
  ports_.Out8(kControl + 1, (5U << 2U) | (1U << 5U));
  EXPECT_EQ(power_.power_offs, 1);
}

TEST_F(AcpiPmTest, OtherSleepTypesAreNotPowerOff) {
  for (const unsigned type : {0U, 1U, 2U, 3U, 4U, 6U, 7U}) {
    ports_.Out16(kControl, (type << 10U) | (1U << 13U));
  }
  EXPECT_EQ(power_.power_offs, 0);
  ports_.Out16(kControl, 5U << 10U);
  EXPECT_EQ(power_.power_offs, 0) << "an old SLP_EN must not linger";
}

TEST_F(AcpiPmTest, PowerButtonInterruptsWhenEnabled) {
  pm_.PressPowerButton();
  EXPECT_FALSE(sci_.level());
  EXPECT_EQ(ports_.In16(kStatus), kPowerButton);
  ports_.Out16(kEnable, kPowerButton);
  EXPECT_TRUE(sci_.level());
  ports_.Out16(kStatus, kPowerButton);
  EXPECT_FALSE(sci_.level());
  EXPECT_EQ(ports_.In16(kStatus), 0);
  pm_.PressPowerButton();
  EXPECT_TRUE(sci_.level());
  EXPECT_EQ(sci_.edges(), 2);
}

TEST_F(AcpiPmTest, TheAlarmOfTheClockInterruptsWhenEnabled) {
  constexpr std::uint16_t kRtc = 0x400;
  pm_.RaiseRtcAlarm();
  EXPECT_EQ(ports_.In16(kStatus), kRtc);
  EXPECT_FALSE(sci_.level());
  ports_.Out16(kEnable, kRtc);
  EXPECT_TRUE(sci_.level());
  ports_.Out16(kStatus, kRtc);
  EXPECT_FALSE(sci_.level());
  pm_.RaiseRtcAlarm();
  EXPECT_TRUE(sci_.level());
}

TEST_F(AcpiPmTest, StatusBitsAreClearedOnlyByOnes) {
  pm_.PressPowerButton();
  ports_.Out16(kStatus, static_cast<std::uint16_t>(~kPowerButton));
  EXPECT_EQ(ports_.In16(kStatus), kPowerButton);
}

TEST_F(AcpiPmTest, StatusAndEnableAreOneDword) {
  pm_.PressPowerButton();
  ports_.Out32(kStatus, std::uint32_t{kPowerButton} << 16U);
  EXPECT_EQ(ports_.In32(kStatus), (std::uint32_t{kPowerButton} << 16U) | kPowerButton);
  EXPECT_TRUE(sci_.level());
}

TEST_F(AcpiPmTest, OnlyDefinedEventsCanBeEnabled) {
  ports_.Out16(kEnable, 0xffff);
  EXPECT_EQ(ports_.In16(kEnable), 0x0721);
}

TEST_F(AcpiPmTest, TimerCountsAt3579545Hertz) {
  EXPECT_EQ(ports_.In32(kTimer), 0U);
  clock_.Advance(kSecond);
  EXPECT_EQ(ports_.In32(kTimer), 3'579'545U);
  clock_.Advance(kSecond / 2);
  EXPECT_EQ(ports_.In32(kTimer), 5'369'317U);
}

TEST_F(AcpiPmTest, TimerWrapsAt32Bits) {
  clock_.Advance(1200 * kSecond);
  EXPECT_EQ(ports_.In32(kTimer), static_cast<std::uint32_t>(1200ULL * 3'579'545ULL));
  // Years later, nothing has overflown on the way.
  clock_.Advance(100'000'000 * kSecond);
  EXPECT_EQ(ports_.In32(kTimer), static_cast<std::uint32_t>(100'001'200ULL * 3'579'545ULL));
}

TEST_F(AcpiPmTest, TimerIsReadOnly) {
  ports_.Out32(kTimer, 0x12345678);
  EXPECT_EQ(ports_.In32(kTimer), 0U);
}

TEST_F(AcpiPmTest, TimerStatusFollowsItsTopBit) {
  EXPECT_EQ(ports_.In16(kStatus), 0);
  clock_.Advance(700 * kSecond);  // beyond 2^31 ticks
  EXPECT_EQ(ports_.In16(kStatus), 1);
  ports_.Out16(kStatus, 1);
  EXPECT_EQ(ports_.In16(kStatus), 0);
}

TEST_F(AcpiPmTest, GeneralPurposeEventsInterruptWhenEnabled) {
  pm_.SetGpe(3, true);
  EXPECT_EQ(ports_.In16(kGpeStatus), 8);
  EXPECT_FALSE(sci_.level());
  ports_.Out8(kGpeEnable, 8);
  EXPECT_TRUE(sci_.level());
  EXPECT_EQ(ports_.In32(kGpeStatus), 0x80008U);
  pm_.SetGpe(3, false);
  EXPECT_FALSE(sci_.level());
  EXPECT_EQ(ports_.In16(kGpeStatus), 0);
  pm_.SetGpe(15, true);
  ports_.Out8(kGpeEnable + 1, 0x80);
  EXPECT_TRUE(sci_.level());
  EXPECT_EQ(ports_.In8(kGpeStatus + 1), 0x80);
}

TEST_F(AcpiPmTest, AnEventStaysForAsLongAsItsLevelIsUp) {
  pm_.SetGpe(3, true);
  ports_.Out16(kGpeStatus, 0xffff);
  EXPECT_EQ(ports_.In16(kGpeStatus), 8) << "acknowledged, and still there";
  ports_.Out16(kGpeEnable, 8);
  EXPECT_TRUE(sci_.level());
  pm_.SetGpe(3, true);
  EXPECT_EQ(sci_.edges(), 1);
  ports_.Out16(kGpeEnable, 0);
  EXPECT_FALSE(sci_.level());
}

TEST_F(AcpiPmTest, TheLineStaysUpWhileAnySourceIsPending) {
  ports_.Out16(kEnable, kPowerButton);
  ports_.Out16(kGpeEnable, 1);
  pm_.PressPowerButton();
  pm_.SetGpe(0, true);
  ports_.Out16(kStatus, kPowerButton);
  EXPECT_TRUE(sci_.level());
  pm_.SetGpe(0, false);
  EXPECT_FALSE(sci_.level());
  EXPECT_EQ(sci_.edges(), 1);
}

TEST_F(AcpiPmTest, ReservedPortsReadAsOnes) {
  EXPECT_EQ(ports_.In16(0x606), 0xffff);
  ports_.Out32(0x60c, 0);
  EXPECT_EQ(ports_.In32(0x60c), 0xffffffffU);
}

}  // namespace
}  // namespace veneer
