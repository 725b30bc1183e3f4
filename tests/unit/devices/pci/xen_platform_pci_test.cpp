#include "veneer/devices/pci/xen_platform_pci.h"

#include <string>

#include <gtest/gtest.h>

#include "pci_fixture.h"

namespace veneer {
namespace {

class XenPlatformPciTest : public PciTest {
 protected:
  // Answers with the offset and remembers the last write.
  class Ports final : public BusDevice {
   public:
    std::uint64_t Read(std::uint64_t offset, unsigned /*size*/) override { return offset; }
    void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override {
      written = fmt::format("{:x}/{}={:x}", offset, size, value);
    }
    std::string written;
  };

  void SetUp() override {
    PciTest::SetUp();
    ASSERT_TRUE(pci_.AddDevice(2, 0, platform_));
  }

  Ports window_;
  std::string moves_;
  XenPlatformPci platform_{window_, [this](std::optional<std::uint64_t> base) {
                             moves_ += base ? fmt::format("{:x} ", *base) : "- ";
                           }};
};

TEST_F(XenPlatformPciTest, LinuxsDriverMatchesIt) {
  EXPECT_EQ(Config32(2, 0, 0x00), 0x00015853U);
  EXPECT_EQ(Config32(2, 0, 0x08), 0xff800001U) << "class and revision";
  EXPECT_EQ(Config32(2, 0, 0x2c), 0x00015853U) << "subsystem";
  EXPECT_EQ(Config8(2, 0, 0x3d), 1) << "INTA";
}

TEST_F(XenPlatformPciTest, BarsHaveTheSizesAndKindsThatDriversCheck) {
  for (const unsigned bar : {kBar0, kBar1, kBar2, kBar3}) {
    PutConfig32(2, 0, bar, ~0U);
  }
  EXPECT_EQ(Config32(2, 0, kBar0), 0xffffff01U) << "256 bytes of I/O";
  EXPECT_EQ(Config32(2, 0, kBar1), 0xff000008U) << "16 MiB of prefetchable 32-bit memory";
  EXPECT_EQ(Config32(2, 0, kBar2), 0U);
  EXPECT_EQ(Config32(2, 0, kBar3), 0U);
}

TEST_F(XenPlatformPciTest, TheFirstBarLeadsToThePorts) {
  PutConfig32(2, 0, kBar0, 0xd000);
  PutConfig16(2, 0, kCommand, 1);
  EXPECT_EQ(ports_.In8(0xd012), 0x12);
  EXPECT_EQ(ports_.In8(0xd0fe), 0xfe);
  ports_.Out16(0xd010, 0x0003);
  EXPECT_EQ(window_.written, "10/2=3");
  EXPECT_EQ(ports_.unclaimed.value(), 0U);
  ports_.In8(0xd100);
  EXPECT_EQ(ports_.unclaimed.value(), 1U) << "no longer than 256 bytes";
}

TEST_F(XenPlatformPciTest, TheSecondBarIsLeftToTheOwnerOfTheMemorySlots) {
  PutConfig32(2, 0, kBar1, 0xe1000000);
  PutConfig16(2, 0, kCommand, 2);
  EXPECT_EQ(platform_.BarBase(XenPlatformPci::kMemoryBar), 0xe1000000U);
  EXPECT_EQ(memory_.In32(0xe1000000), ~0U);
  EXPECT_EQ(memory_.unclaimed.value(), 1U);
}

TEST_F(XenPlatformPciTest, TellsWhereTheMemoryIsAndNothingAboutThePorts) {
  PutConfig32(2, 0, kBar0, 0xd000);
  PutConfig32(2, 0, kBar1, 0xe1000000);
  PutConfig16(2, 0, kCommand, 3);
  PutConfig32(2, 0, kBar0, 0xd100);
  PutConfig32(2, 0, kBar1, 0xe2000000);
  PutConfig16(2, 0, kCommand, 0);
  EXPECT_EQ(moves_, "e1000000 - e2000000 - ");
}

TEST_F(XenPlatformPciTest, IsPlacedLikeOtherDevices) {
  ASSERT_TRUE(pci_.AssignResources());
  ASSERT_TRUE(platform_.BarBase(XenPlatformPci::kPortsBar));
  const auto memory = platform_.BarBase(XenPlatformPci::kMemoryBar);
  ASSERT_TRUE(memory);
  EXPECT_EQ(*memory % XenPlatformPci::kMemorySize, 0U);
  EXPECT_EQ(moves_, fmt::format("{:x} ", *memory));
  EXPECT_EQ(Config8(2, 0, 0x3c), PciHost::IntxGsi(2).value);
}

TEST_F(XenPlatformPciTest, RaisesItsInterruptPin) {
  const auto line = [this](unsigned gsi) -> FakeInterruptLine& {
    unsigned index = 0;
    while (PciHost::LineGsi(index).value != gsi) {
      ++index;
    }
    return lines_[index];
  };
  FakeInterruptLine& inta = line(PciHost::IntxGsi(2).value);
  platform_.SetIntx(true);
  EXPECT_TRUE(inta.level());
  platform_.SetIntx(false);
  EXPECT_FALSE(inta.level());
}

TEST(XenPlatformPci, NeedsNobodyToListen) {
  Counter unclaimed;
  Bus ports("port", unclaimed);
  Bus memory("memory", unclaimed);
  FakePowerControl power;
  FakeInterruptLine line;
  PciHost pci(ports, memory, {&line, &line, &line, &line}, power);
  class Nothing final : public BusDevice {
    std::uint64_t Read(std::uint64_t /*offset*/, unsigned /*size*/) override { return 0; }
    void Write(std::uint64_t /*offset*/, unsigned /*size*/, std::uint64_t /*value*/) override {}
  } window;
  XenPlatformPci platform(window);
  ASSERT_TRUE(pci.AddDevice(2, 0, platform));
  ASSERT_TRUE(pci.AssignResources());
  EXPECT_TRUE(platform.BarBase(XenPlatformPci::kMemoryBar));
}

}  // namespace
}  // namespace veneer
