#include "veneer/devices/pc/acpi_cpus.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "port_bus.h"
#include "support/fake_clock.h"
#include "support/fake_devices.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kBitmap = 0xaf00;
constexpr std::uint64_t kEject = 0xaf10;
constexpr std::uint64_t kHotplugStatus = 0xafe0;
constexpr std::uint64_t kHotplugEnable = 0xafe2;
constexpr std::uint16_t kGpe = 1U << 2U;

class AcpiCpusTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(pm_.Attach(ports_.bus));
    ASSERT_TRUE(cpus_.Attach(ports_.bus));
  }
  PortBus ports_;
  FakeClock clock_;
  FakeInterruptLine sci_;
  FakePowerControl power_;
  AcpiPm pm_{clock_, sci_, power_};
  std::vector<unsigned> ejected_;
  AcpiCpus cpus_{pm_, 20, 2, [this](unsigned processor) { ejected_.push_back(processor); }};
};

TEST_F(AcpiCpusTest, TheBitmapHasABitForEachProcessorThatIsThere) {
  EXPECT_EQ(ports_.In8(kBitmap), 0x03);
  EXPECT_EQ(ports_.In8(kBitmap + 1), 0);
  cpus_.SetPresent(11);
  EXPECT_EQ(ports_.In16(kBitmap), 0x07ff);
  EXPECT_EQ(ports_.In8(kBitmap + 2), 0);
  cpus_.SetPresent(20);
  EXPECT_EQ(ports_.In16(kBitmap), 0xffff);
  EXPECT_EQ(ports_.In8(kBitmap + 2), 0x0f);
  EXPECT_EQ(ports_.In8(kBitmap + 15), 0);
}

TEST_F(AcpiCpusTest, AChangeInterruptsUntilTheGuestHasLooked) {
  EXPECT_EQ(ports_.In16(kHotplugStatus), 0) << "nothing has changed since the guest's boot";
  ports_.Out16(kHotplugEnable, kGpe);
  cpus_.SetPresent(4);
  EXPECT_TRUE(sci_.level());
  EXPECT_EQ(ports_.In16(kHotplugStatus), kGpe);
  // As Linux does it: off, acknowledged, looked at, on again.
  ports_.Out16(kHotplugEnable, 0);
  EXPECT_FALSE(sci_.level());
  ports_.Out16(kHotplugStatus, kGpe);
  EXPECT_EQ(ports_.In8(kBitmap), 0x0f);
  EXPECT_EQ(ports_.In16(kHotplugStatus), 0);
  ports_.Out16(kHotplugEnable, kGpe);
  EXPECT_FALSE(sci_.level());
}

TEST_F(AcpiCpusTest, AKernelThatClearsAllEventsWhenItStartsHearsOfAnEarlierChange) {
  cpus_.SetPresent(4);
  ports_.Out16(kHotplugStatus, 0xffff);
  ports_.Out16(kHotplugEnable, kGpe);
  EXPECT_TRUE(sci_.level());
}

TEST_F(AcpiCpusTest, WhatWasAskedForIsAskedForAgain) {
  ports_.Out16(kHotplugEnable, kGpe);
  cpus_.SetPresent(4);
  EXPECT_EQ(ports_.In8(kBitmap), 0x0f);
  EXPECT_FALSE(sci_.level());
  cpus_.SetPresent(4);
  EXPECT_TRUE(sci_.level());
}

TEST_F(AcpiCpusTest, AnEjectedProcessorIsReported) {
  ports_.Out8(kEject, 3);
  ports_.Out8(kEject, 19);
  EXPECT_THAT(ejected_, ElementsAre(3, 19));
  EXPECT_EQ(ports_.In8(kEject), 0xff);
}

TEST_F(AcpiCpusTest, NothingElseThatAGuestWritesDoesAnything) {
  for (unsigned value = 20; value <= 0xff; ++value) {
    ports_.Out8(kEject, static_cast<std::uint8_t>(value));
  }
  for (std::uint64_t port = kBitmap; port < kEject; ++port) {
    ports_.Out8(port, 0xff);
  }
  ports_.Out16(kEject - 1, 0x0303);
  ports_.Out16(kEject, 0x0303);  // leaves the window
  EXPECT_THAT(ejected_, IsEmpty());
  EXPECT_EQ(cpus_.present(), 2U);
  EXPECT_EQ(ports_.In8(kBitmap), 0x03);
}

}  // namespace
}  // namespace veneer
