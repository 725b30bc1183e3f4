#include "veneer/devices/pci/pci_device.h"

#include <gtest/gtest.h>

#include "pci_fixture.h"

namespace veneer {
namespace {

TEST_F(PciTest, IdentityIsInTheHeader) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  EXPECT_EQ(Config32(2, 0, 0x00), 0x00015853U);
  EXPECT_EQ(Config32(2, 0, 0x08), 0xff800002U);
  EXPECT_EQ(Config32(2, 0, 0x2c), 0x00025854U);
  EXPECT_EQ(Config8(2, 0, 0x0e), 0);
}

TEST_F(PciTest, IdentityCannotBeWritten) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  for (const unsigned offset : {0x00U, 0x08U, 0x2cU, 0x30U, 0x34U}) {
    const std::uint32_t before = Config32(2, 0, offset);
    PutConfig32(2, 0, offset, ~before);
    EXPECT_EQ(Config32(2, 0, offset), before) << offset;
  }
}

TEST_F(PciTest, BarsAnswerSizing) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  PutConfig32(2, 0, kBar0, ~0U);
  EXPECT_EQ(Config32(2, 0, kBar0), 0xffffff01U);
  PutConfig32(2, 0, kBar1, ~0U);
  EXPECT_EQ(Config32(2, 0, kBar1), 0xff000008U);
  PutConfig32(2, 0, kBar2, ~0U);
  EXPECT_EQ(Config32(2, 0, kBar2), 0xfffffff0U);
  PutConfig32(2, 0, kBar3, ~0U);
  EXPECT_EQ(Config32(2, 0, kBar3), 0U) << "not there";
}

TEST_F(PciTest, ABarDecodesOnlyWhenEnabled) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  PutConfig32(2, 0, kBar0, 0xd000);
  EXPECT_EQ(ports_.In8(0xd000), 0xff);
  EXPECT_FALSE(device_.BarBase(0));
  PutConfig16(2, 0, kCommand, 1);
  EXPECT_EQ(ports_.In8(0xd000), 0x10);
  EXPECT_EQ(device_.BarBase(0), 0xd000U);
  PutConfig16(2, 0, kCommand, 0);
  EXPECT_EQ(ports_.In8(0xd000), 0xff);
}

TEST_F(PciTest, IoAndMemoryAreEnabledSeparately) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  PutConfig32(2, 0, kBar0, 0xd000);
  PutConfig32(2, 0, kBar2, 0xe1000000);
  PutConfig16(2, 0, kCommand, 2);
  EXPECT_EQ(ports_.In8(0xd000), 0xff);
  EXPECT_EQ(memory_.In8(0xe1000000), 0x12);
}

TEST_F(PciTest, ABarMovesWhileItDecodes) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  PutConfig16(2, 0, kCommand, 1);
  PutConfig32(2, 0, kBar0, 0xd000);
  PutConfig32(2, 0, kBar0, 0xd100);
  EXPECT_EQ(ports_.In8(0xd000), 0xff);
  EXPECT_EQ(ports_.In8(0xd100), 0x10);
  // Byte by byte too.
  PutConfig8(2, 0, kBar0 + 1, 0xd2);
  EXPECT_EQ(ports_.In8(0xd100), 0xff);
  EXPECT_EQ(ports_.In8(0xd200), 0x10);
}

TEST_F(PciTest, ABarOutsideTheRootBridgesWindowsDoesNotDecode) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  PutConfig16(2, 0, kCommand, 3);
  for (const std::uint32_t io : {0U, 0x300U, 0xc00U, 0xffffff00U, 0x10000U}) {
    PutConfig32(2, 0, kBar0, io);
    EXPECT_FALSE(device_.BarBase(0)) << io;
  }
  for (const std::uint32_t mmio : {0U, 0x100000U, 0xbffffff0U, 0xfec00000U, 0xfee00000U, ~0U}) {
    PutConfig32(2, 0, kBar2, mmio);
    EXPECT_FALSE(device_.BarBase(2)) << mmio;
  }
  PutConfig32(2, 0, kBar2, 0xfebffff0);
  EXPECT_EQ(device_.BarBase(2), 0xfebffff0U);
}

TEST_F(PciTest, ABarOverAnotherDeviceStaysOffUntilItIsMoved) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  ASSERT_TRUE(pci_.AddDevice(3, 0, other_));
  PutConfig16(2, 0, kCommand, 1);
  PutConfig16(3, 0, kCommand, 1);
  PutConfig32(2, 0, kBar0, 0xd000);
  PutConfig32(3, 0, kBar0, 0xd000);
  EXPECT_EQ(device_.BarBase(0), 0xd000U);
  EXPECT_FALSE(other_.BarBase(0));
  PutConfig32(3, 0, kBar0, 0xd100);
  EXPECT_EQ(other_.BarBase(0), 0xd100U);
}

TEST_F(PciTest, BarsOfOneDeviceMaySwapPlaces) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  PutConfig32(2, 0, kBar1, 0xe0000000);
  PutConfig32(2, 0, kBar2, 0xe1000000);
  PutConfig16(2, 0, kCommand, 2);
  PutConfig16(2, 0, kCommand, 0);
  PutConfig32(2, 0, kBar1, 0xe1000000);
  PutConfig32(2, 0, kBar2, 0xe0000000);
  PutConfig16(2, 0, kCommand, 2);
  EXPECT_EQ(device_.BarBase(1), 0xe1000000U);
  EXPECT_EQ(device_.BarBase(2), 0xe0000000U);
}

TEST_F(PciTest, TheDeviceHearsOfItsBars) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  PutConfig32(2, 0, kBar1, 0xe0000000);
  EXPECT_EQ(device_.moves, "");
  PutConfig16(2, 0, kCommand, 2);
  PutConfig32(2, 0, kBar1, 0xe1000000);
  PutConfig32(2, 0, 0x3c, 5);
  PutConfig16(2, 0, kCommand, 0);
  EXPECT_EQ(device_.moves, "1:e0000000 1:- 1:e1000000 1:- ");
}

TEST_F(PciTest, CapabilitiesFormAList) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  EXPECT_EQ(Config16(2, 0, 0x06) & 0x10, 0x10);
  std::string ids;
  unsigned at = Config8(2, 0, 0x34);
  for (int i = 0; at != 0 && i < 64; ++i) {
    ids += fmt::format("{:02x}@{:02x} ", Config8(2, 0, at), at);
    at = Config8(2, 0, at + 1);
  }
  EXPECT_EQ(ids, "05@44 09@40 ");
  EXPECT_EQ(Config8(2, 0, 0x42), 0xaa);
}

TEST_F(PciTest, WritableRegistersAreWritableWhereTheyAre) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  PutConfig32(2, 0, 0x44, 0xffffffff);
  EXPECT_EQ(Config32(2, 0, 0x44), 0x00014005U);
  PutConfig16(2, 0, kCommand, 0xffff);
  EXPECT_EQ(Config16(2, 0, kCommand), 0x0547);
}

TEST_F(PciTest, InterruptLineIsForTheGuestToKeep) {
  ASSERT_TRUE(pci_.AddDevice(2, 0, device_));
  PutConfig16(2, 0, 0x3c, 0xff07);
  EXPECT_EQ(Config16(2, 0, 0x3c), 0x0107);
}

}  // namespace
}  // namespace veneer
