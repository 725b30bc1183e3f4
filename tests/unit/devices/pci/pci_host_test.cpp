#include "veneer/devices/pci/pci_host.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "pci_fixture.h"
#include "veneer/devices/pci/pci_bridges.h"

namespace veneer {
namespace {

// Linux's check for configuration mechanism 1.
TEST_F(PciTest, LinuxFindsMechanismOneAndAHostBridge) {
  PciHostBridge bridge;
  ASSERT_TRUE(pci_.AddDevice(0, 0, bridge));
  ports_.Out8(0xcfb, 0x01);
  ports_.Out32(0xcf8, 0x80000000);
  EXPECT_EQ(ports_.In32(0xcf8), 0x80000000U);
  EXPECT_EQ(Config32(0, 0, 0), 0x12378086U);
  EXPECT_EQ(Config16(0, 0, 0x0a), 0x0600);
}

TEST_F(PciTest, TheIsaBridgeSaysThatItsSlotHasMoreFunctions) {
  PciIsaBridge bridge;
  ASSERT_TRUE(pci_.AddDevice(1, 0, bridge));
  EXPECT_EQ(Config32(1, 0, 0), 0x70008086U);
  EXPECT_EQ(Config8(1, 0, 0x0e), 0x80);
  EXPECT_EQ(Config16(1, 0, 0x0a), 0x0601);
}

TEST_F(PciTest, EmptyPlacesReadAsOnes) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  EXPECT_EQ(Config32(3, 0, 0), 0xffffffffU);
  EXPECT_EQ(Config16(2, 1, 0), 0xffff);
  PutConfig32(3, 0, kBar0, 1);
  ports_.Out32(0xcf8, 0x80011000);  // bus 1
  EXPECT_EQ(ports_.In32(0xcfc), 0xffffffffU);
  ports_.Out32(0xcf8, 0x00001000);  // not enabled
  EXPECT_EQ(ports_.In32(0xcfc), 0xffffffffU);
}

TEST_F(PciTest, DataIsReachedByBytesWordsAndDwords) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  Select(2, 0, 0);
  EXPECT_EQ(ports_.In8(0xcfc), 0x53);
  EXPECT_EQ(ports_.In8(0xcfd), 0x58);
  EXPECT_EQ(ports_.In16(0xcfe), 0x0001);
  EXPECT_EQ(ports_.In16(0xcfd), 0x0158);
  EXPECT_EQ(ports_.In32(0xcfc), 0x00015853U);
}

TEST_F(PciTest, TheAddressTakesOnlyWholeDwords) {
  ports_.Out32(0xcf8, 0xffffffff);
  EXPECT_EQ(ports_.In32(0xcf8), 0x80fffffcU);
  ports_.Out16(0xcf8, 0);
  ports_.Out8(0xcfa, 0);
  EXPECT_EQ(ports_.In32(0xcf8), 0x80fffffcU);
  EXPECT_EQ(ports_.In8(0xcf8), 0xff);
  EXPECT_EQ(ports_.In32(0xcfa), 0xffffffffU) << "across address and data";
}

TEST_F(PciTest, ResetControlResetsOnTheRisingBit) {
  ports_.Out8(0xcf9, 0x02);
  EXPECT_EQ(power_.resets, 0);
  EXPECT_EQ(ports_.In8(0xcf9), 0x02);
  ports_.Out8(0xcf9, 0x06);
  EXPECT_EQ(power_.resets, 1);
  ports_.Out8(0xcf9, 0x06);
  EXPECT_EQ(power_.resets, 1);
  ports_.Out8(0xcf9, 0x00);
  ports_.Out8(0xcf9, 0x04);
  EXPECT_EQ(power_.resets, 2);
}

TEST_F(PciTest, APlaceIsTakenOnce) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  const Result<void> result = pci_.AddDevice(2, 0, other_);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kUsage);
  EXPECT_TRUE(pci_.AddDevice(2, 1, other_));
}

TEST_F(PciTest, ResourcesAreAssignedAsFirmwareWould) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  ASSERT_TRUE(pci_.AddDevice(3, 0, other_));
  ASSERT_TRUE(pci_.AssignResources());
  EXPECT_EQ(Config32(2, 0, kBar0), 0xc001U);
  EXPECT_EQ(Config32(2, 0, kBar1), 0xe0000008U);
  EXPECT_EQ(Config32(2, 0, kBar2), 0xe1000000U);
  EXPECT_EQ(Config32(3, 0, kBar0), 0xc101U);
  EXPECT_EQ(Config32(3, 0, kBar1), 0xe2000008U);
  EXPECT_EQ(Config32(3, 0, kBar2), 0xe3000000U);
  EXPECT_EQ(Config16(2, 0, kCommand), 3);
  EXPECT_EQ(Config8(2, 0, 0x3c), PciHost::IntxGsi(2).value);
  EXPECT_EQ(Config8(3, 0, 0x3c), PciHost::IntxGsi(3).value);
  EXPECT_EQ(ports_.In8(0xc000), 0x10);
  EXPECT_EQ(memory_.In8(0xe3000000), 0x12);
  EXPECT_EQ(device_.BarBase(1), 0xe0000000U);
}

TEST_F(PciTest, MoreDevicesThanSpaceIsAnError) {
  class Hog final : public PciDevice {
   public:
    Hog() : PciDevice(Identity{1, 1, 0, 0, 0, 0}) {
      AddBar(0, BarKind::kMemory, std::uint64_t{1} << 28U, nullptr);
    }
  };
  Hog a;
  Hog b;
  ASSERT_TRUE(pci_.AddDevice(4, 0, a));
  ASSERT_TRUE(pci_.AssignResources());
  ASSERT_TRUE(pci_.AddDevice(5, 0, b));
  const Result<void> result = pci_.AssignResources();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kUsage);
}

TEST_F(PciTest, NeighbouringSlotsHaveDifferentInterrupts) {
  for (unsigned slot = 0; slot < PciHost::kSlots; ++slot) {
    const Gsi gsi = PciHost::IntxGsi(slot);
    EXPECT_LT(gsi.value, 16U);
    EXPECT_NE(gsi, PciHost::IntxGsi((slot + 1) % PciHost::kSlots));
    EXPECT_EQ(gsi, PciHost::LineGsi(slot % PciHost::kIntxLines));
  }
}

TEST_F(PciTest, IntxReachesTheLineOfItsSlot) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  device_.SetIntx(true);
  EXPECT_TRUE(lines_[2].level());
  EXPECT_EQ(Config16(2, 0, 0x06) & 0x08, 0x08);
  EXPECT_EQ(Config32(2, 0, 0x04) & 0x00080000U, 0x00080000U);
  device_.SetIntx(true);
  device_.SetIntx(false);
  EXPECT_FALSE(lines_[2].level());
  EXPECT_EQ(lines_[2].edges(), 1);
  EXPECT_EQ(Config16(2, 0, 0x06) & 0x08, 0);
}

TEST_F(PciTest, ASharedLineStaysUpUntilTheLastLetsGo) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  ASSERT_TRUE(pci_.AddDevice(6, 0, other_));
  device_.SetIntx(true);
  other_.SetIntx(true);
  device_.SetIntx(false);
  EXPECT_TRUE(lines_[2].level());
  other_.SetIntx(false);
  EXPECT_FALSE(lines_[2].level());
}

TEST_F(PciTest, IntxDisableHoldsTheInterruptBack) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  PutConfig16(2, 0, kCommand, 0x400);
  device_.SetIntx(true);
  EXPECT_FALSE(lines_[2].level());
  EXPECT_EQ(Config16(2, 0, 0x06) & 0x08, 0x08) << "status tells it all the same";
  PutConfig16(2, 0, kCommand, 0);
  EXPECT_TRUE(lines_[2].level());
  PutConfig16(2, 0, kCommand, 0x400);
  EXPECT_FALSE(lines_[2].level());
}

TEST_F(PciTest, ADeviceWithoutPinHasNoInterrupt) {
  PciHostBridge bridge;
  bridge.SetIntx(true);
  ASSERT_TRUE(pci_.AddDevice(0, 0, bridge));
  bridge.SetIntx(true);
  EXPECT_FALSE(lines_[0].level());
}

TEST_F(PciTest, ARemovedDeviceIsGoneAndItsPlaceFree) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  ASSERT_TRUE(pci_.AssignResources());
  device_.SetIntx(true);
  pci_.RemoveDevice(device_);
  EXPECT_EQ(Config32(2, 0, 0), 0xffffffffU);
  EXPECT_EQ(ports_.In8(0xc000), 0xff);
  EXPECT_FALSE(device_.BarBase(0));
  EXPECT_FALSE(lines_[2].level());
  device_.SetIntx(true);
  EXPECT_FALSE(lines_[2].level());
  pci_.RemoveDevice(device_);
  EXPECT_TRUE(pci_.AddDevice(2, 0, other_));
  pci_.RemoveDevice(device_);
  EXPECT_EQ(Config16(2, 0, 0), 0x5853) << "the other one stays";
}

TEST_F(PciTest, VcpusAndDeviceThreadsMayUseItAtOnce) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  ASSERT_TRUE(pci_.AssignResources());
  std::atomic<bool> stop{false};
  std::thread device_thread([&] {
    while (!stop) {
      device_.SetIntx(true);
      device_.BarBase(0);
      device_.SetIntx(false);
    }
  });
  std::thread other_vcpu([&] {
    while (!stop) {
      ports_.In8(0xc000);
      ports_.In16(0xcfe);
    }
  });
  for (unsigned i = 0; i < 1000; ++i) {
    PutConfig32(2, 0, kBar0, i % 2 == 0 ? 0xc000 : 0xd000);
    PutConfig16(2, 0, kCommand, static_cast<std::uint16_t>(i % 4 == 0 ? 0x403 : 0x003));
  }
  pci_.RemoveDevice(device_);
  stop = true;
  device_thread.join();
  other_vcpu.join();
  EXPECT_FALSE(lines_[2].level());
}

}  // namespace
}  // namespace veneer
