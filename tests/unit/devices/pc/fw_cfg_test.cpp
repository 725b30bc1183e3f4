#include "veneer/devices/pc/fw_cfg.h"

#include <string>

#include <gtest/gtest.h>

namespace veneer {
namespace {

std::string Item(FwCfg& device, std::uint16_t key, std::size_t bytes) {
  device.Write(0, 2, key);
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) {
    text.push_back(static_cast<char>(device.Read(1, 1)));
  }
  return text;
}

TEST(FwCfg, IsFoundBySeaBios) {
  FwCfg device;
  EXPECT_EQ(Item(device, 0, 4), "QEMU");
  EXPECT_EQ(Item(device, 1, 4), std::string("\1\0\0\0", 4)) << "ports only";
}

TEST(FwCfg, SaysThatTheScreenIsTheSerialPortAndThatNobodyIsAsked) {
  FwCfg device;
  EXPECT_EQ(Item(device, 4, 2), std::string("\1\0", 2));
  EXPECT_EQ(Item(device, 0x0e, 2), std::string("\0\0", 2));
}

TEST(FwCfg, ReadsAsZeroBeyondAnItemAndWhereThereIsNone) {
  FwCfg device;
  EXPECT_EQ(Item(device, 4, 6), std::string("\1\0\0\0\0\0", 6));
  EXPECT_EQ(Item(device, 0x19, 4), std::string(4, '\0')) << "no files";
  EXPECT_EQ(Item(device, 0x7777, 4), std::string(4, '\0'));
}

TEST(FwCfg, OddAccessesDoNothing) {
  FwCfg device;
  device.Write(0, 2, 1);
  device.Write(0, 1, 0);
  device.Write(1, 1, 0xff);
  EXPECT_EQ(device.Read(0, 2), 0xffffU);
  EXPECT_EQ(device.Read(1, 1), 1U);
}

}  // namespace
}  // namespace veneer
