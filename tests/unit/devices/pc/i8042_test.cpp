#include "veneer/devices/pc/i8042.h"

#include <gtest/gtest.h>

#include "port_bus.h"
#include "support/fake_devices.h"

namespace veneer {
namespace {

constexpr std::uint64_t kData = 0x60;
constexpr std::uint64_t kCommand = 0x64;
constexpr std::uint8_t kOutputFull = 0x01;
constexpr std::uint8_t kInputFull = 0x02;
constexpr std::uint8_t kFromAuxiliary = 0x20;

class I8042Test : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(keyboard_.Attach(ports_.bus)); }
  std::uint8_t Ask(std::uint8_t command) {
    ports_.Out8(kCommand, command);
    EXPECT_TRUE(ports_.In8(kCommand) & kOutputFull);
    return ports_.In8(kData);
  }
  PortBus ports_;
  FakePowerControl power_;
  I8042 keyboard_{power_};
};

TEST_F(I8042Test, StartsEmptyAndReadyForCommands) {
  EXPECT_EQ(ports_.In8(kCommand) & (kOutputFull | kInputFull), 0);
}

TEST_F(I8042Test, LeavesThePortsBetweenToOthers) {
  EXPECT_EQ(ports_.In8(0x61), 0xff);
  EXPECT_EQ(ports_.unclaimed.value(), 1U);
}

TEST_F(I8042Test, ResetPulseResetsTheMachine) {
  ports_.Out8(kCommand, 0xfe);
  EXPECT_EQ(power_.resets, 1);
}

TEST_F(I8042Test, PulsesOfOtherLinesDoNot) {
  ports_.Out8(kCommand, 0xff);
  ports_.Out8(kCommand, 0xfd);
  EXPECT_EQ(power_.resets, 0);
}

TEST_F(I8042Test, ClearingTheResetLineInTheOutputPortResets) {
  ports_.Out8(kCommand, 0xd1);
  ports_.Out8(kData, 0x03);
  EXPECT_EQ(power_.resets, 0);
  ports_.Out8(kCommand, 0xd1);
  ports_.Out8(kData, 0x02);
  EXPECT_EQ(power_.resets, 1);
}

TEST_F(I8042Test, DataWithoutACommandIsForAKeyboardThatIsNotThere) {
  ports_.Out8(kData, 0xff);
  EXPECT_EQ(power_.resets, 0);
  EXPECT_EQ(ports_.In8(kCommand) & kOutputFull, 0);
}

TEST_F(I8042Test, CommandByteIsKept) {
  const std::uint8_t before = Ask(0x20);
  ports_.Out8(kCommand, 0x60);
  ports_.Out8(kData, before ^ 0x0f);
  EXPECT_EQ(Ask(0x20), before ^ 0x0f);
}

TEST_F(I8042Test, LinuxProbeFindsAControllerWithoutPorts) {
  EXPECT_EQ(Ask(0xaa), 0x55);  // self test
  // The loop test of the auxiliary port must come back marked as auxiliary, or there is none.
  ports_.Out8(kCommand, 0xd3);
  ports_.Out8(kData, 0x5a);
  EXPECT_EQ(ports_.In8(kCommand) & (kOutputFull | kFromAuxiliary), kOutputFull);
  EXPECT_EQ(ports_.In8(kData), 0x5a);
  EXPECT_EQ(Ask(0xa9), 0x01);  // auxiliary port: clock line stuck low
  EXPECT_EQ(Ask(0xab), 0x01);  // keyboard port: the same
}

TEST_F(I8042Test, ReadingTheDataEmptiesTheBuffer) {
  EXPECT_EQ(Ask(0xaa), 0x55);
  EXPECT_EQ(ports_.In8(kCommand) & kOutputFull, 0);
}

TEST_F(I8042Test, EveryCommandAndDataByteIsSurvived) {
  for (unsigned command = 0; command < 0x100; ++command) {
    for (const unsigned data : {0x00U, 0x01U, 0xffU}) {
      ports_.Out8(kCommand, command);
      ports_.Out8(kData, data);
      ports_.In8(kData);
      EXPECT_EQ(ports_.In8(kCommand) & (kOutputFull | kInputFull), 0);
    }
  }
}

}  // namespace
}  // namespace veneer
