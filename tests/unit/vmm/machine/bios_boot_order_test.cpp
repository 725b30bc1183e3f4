#include "src/vmm/machine/bios_boot_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::ElementsAre;
using enum CmosRtc::BootDevice;

TEST(BiosBootOrder, IsThatOfTheFirstIdeDisk) {
  MachineConfig config;
  EXPECT_THAT(BiosBootOrder(config), ElementsAre(kHardDisk, kCdrom));
  config.disks.resize(3);
  config.disks[1].bus = DiskBus::kIde;
  config.disks[1].cdrom = true;
  config.disks[2].bus = DiskBus::kBoth;
  EXPECT_THAT(BiosBootOrder(config), ElementsAre(kCdrom, kHardDisk));
  config.disks[0].bus = DiskBus::kBoth;
  EXPECT_THAT(BiosBootOrder(config), ElementsAre(kHardDisk, kCdrom));
}

TEST(BiosBootOrder, IsTheUsersIfThereIsOne) {
  MachineConfig config;
  config.boot_order = {BootDevice::kCdrom};
  EXPECT_THAT(BiosBootOrder(config), ElementsAre(kCdrom));
  config.boot_order = {BootDevice::kDisk, BootDevice::kCdrom};
  EXPECT_THAT(BiosBootOrder(config), ElementsAre(kHardDisk, kCdrom));
}

}  // namespace
}  // namespace veneer
