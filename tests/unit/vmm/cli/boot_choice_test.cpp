#include "src/vmm/cli/boot_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run_options_fixture.h"

namespace veneer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BootChoiceTest : public ::testing::Test {
 protected:
  BootChoiceTest() { AddDisk("disk.img"); }
  DiskConfig& AddDisk(const char* path) {
    machine_.disks.emplace_back().path = path;
    return machine_.disks.back();
  }
  std::string Refusal(std::string_view asked) {
    const auto chosen = ChooseBoot(asked, firmware_, files_, machine_);
    return chosen ? "(accepted)" : chosen.error().message;
  }

  BootFiles files_{.grub = "/proc/self/exe", .bios = "/proc/self/maps"};
  std::string firmware_;
  MachineConfig machine_;
};

TEST_F(BootChoiceTest, AKernelThatIsNamedIsBooted) {
  machine_.kernel = "k";
  EXPECT_THAT(ChooseBoot("", firmware_, files_, machine_).value(), IsEmpty());
  EXPECT_EQ(machine_.boot, BootKind::kKernel);
  EXPECT_THAT(Refusal("grub"), HasSubstr("--kernel"));
}

TEST_F(BootChoiceTest, WithoutOneTheDiskIsBootedByGrub) {
  for (const char* asked : {"", "auto", "grub"}) {
    EXPECT_THAT(ChooseBoot(asked, firmware_, files_, machine_).value(), HasSubstr(files_.grub));
    EXPECT_EQ(machine_.boot, BootKind::kPvhLoader);
    EXPECT_EQ(machine_.boot_file, files_.grub);
  }
}

TEST_F(BootChoiceTest, AnotherLoaderOrBiosIsNamedByItsPath) {
  EXPECT_EQ(Refusal("/proc/self/exe"), "(accepted)");
  EXPECT_EQ(machine_.boot, BootKind::kPvhLoader);
  EXPECT_EQ(machine_.boot_file, "/proc/self/exe");
  EXPECT_EQ(Refusal("/proc/self/maps"), "(accepted)");
  EXPECT_EQ(machine_.boot, BootKind::kFirmware);
  EXPECT_EQ(machine_.boot_file, "/proc/self/maps");
  EXPECT_THAT(Refusal("loader"), HasSubstr("'loader'"));
}

TEST_F(BootChoiceTest, TheBiosFindsTheFirstDiskOnTheIdeBus) {
  AddDisk("data.img");
  EXPECT_THAT(ChooseBoot("bios", firmware_, files_, machine_).value(), HasSubstr("'disk.img'"));
  EXPECT_EQ(machine_.boot, BootKind::kFirmware);
  EXPECT_EQ(machine_.boot_file, files_.bios);
  EXPECT_EQ(machine_.disks[0].bus, DiskBus::kBoth);
  EXPECT_EQ(machine_.disks[1].bus, DiskBus::kPv);
}

TEST_F(BootChoiceTest, AnIdeDiskThatIsThereIsEnoughForTheBios) {
  DiskConfig& iso = AddDisk("image.iso");
  iso.bus = DiskBus::kIde;
  iso.cdrom = true;
  EXPECT_EQ(Refusal("bios"), "(accepted)");
  EXPECT_EQ(machine_.disks[0].bus, DiskBus::kPv);
}

TEST_F(BootChoiceTest, ABootOrderIsForTheBios) {
  machine_.boot_order = {BootDevice::kCdrom, BootDevice::kDisk};
  EXPECT_THAT(Refusal("grub"), AllOf(HasSubstr("--boot-order"), HasSubstr("--boot bios")));
  EXPECT_EQ(Refusal(""), "(accepted)");
  EXPECT_EQ(machine_.boot, BootKind::kFirmware);
  machine_.kernel = "k";
  EXPECT_THAT(Refusal(""), HasSubstr("--boot-order and --kernel"));
}

TEST_F(BootChoiceTest, ADiskInTheBootOrderIsOneThatTheBiosFinds) {
  DiskConfig& iso = AddDisk("image.iso");
  iso.bus = DiskBus::kIde;
  iso.cdrom = true;
  machine_.boot_order = {BootDevice::kCdrom};
  EXPECT_EQ(Refusal("bios"), "(accepted)");
  EXPECT_EQ(machine_.disks[0].bus, DiskBus::kPv);
  machine_.boot_order = {BootDevice::kCdrom, BootDevice::kDisk};
  EXPECT_EQ(Refusal("bios"), "(accepted)");
  EXPECT_EQ(machine_.disks[0].bus, DiskBus::kBoth);
}

TEST_F(BootChoiceTest, AnotherFirmwareIsABiosOrAnElfFile) {
  firmware_ = "/proc/self/maps";
  for (const char* asked : {"", "auto", "bios"}) {
    EXPECT_EQ(Refusal(asked), "(accepted)");
    EXPECT_EQ(machine_.boot, BootKind::kFirmware);
    EXPECT_EQ(machine_.boot_file, firmware_);
  }
  EXPECT_THAT(Refusal("grub"), AllOf(HasSubstr("--firmware"), HasSubstr("--boot grub")));
  firmware_ = "/proc/self/exe";
  machine_.disks[0].bus = DiskBus::kPv;
  EXPECT_EQ(Refusal(""), "(accepted)");
  EXPECT_EQ(machine_.boot, BootKind::kPvhLoader);
  firmware_ = "/nonexistent";
  EXPECT_THAT(Refusal(""), HasSubstr("'/nonexistent' is not there"));
  machine_.kernel = "k";
  EXPECT_THAT(Refusal(""), HasSubstr("--firmware and --kernel"));
}

TEST(ParseBootOrder, TakesEachKindOnce) {
  using ::testing::ElementsAre;
  EXPECT_THAT(ParseBootOrder("disk").value(), ElementsAre(BootDevice::kDisk));
  EXPECT_THAT(ParseBootOrder("cdrom,disk").value(),
              ElementsAre(BootDevice::kCdrom, BootDevice::kDisk));
  EXPECT_THAT(ParseBootOrder("disk,disk").error().message, HasSubstr("twice"));
  for (const char* text : {"", "floppy", "disk,", "cdrom,,disk"}) {
    EXPECT_THAT(ParseBootOrder(text).error().message, HasSubstr("neither")) << text;
  }
}

TEST_F(BootChoiceTest, AutoTakesTheBiosWhereGrubCannotBeUsedAndSaysWhy) {
  machine_.disks[0].bus = DiskBus::kIde;
  EXPECT_THAT(ChooseBoot("auto", firmware_, files_, machine_).value(), HasSubstr("bus=ide"));
  EXPECT_EQ(machine_.boot, BootKind::kFirmware);
  machine_.disks[0].bus = DiskBus::kPv;
  files_.grub = "/nonexistent";
  EXPECT_THAT(ChooseBoot("", firmware_, files_, machine_).value(),
              HasSubstr("apt install grub-xen-host"));
  files_.bios = "/nonexistent";
  EXPECT_THAT(Refusal("auto"), AllOf(HasSubstr("grub-xen-host"), HasSubstr("seabios")));
  EXPECT_THAT(Refusal("bios"), HasSubstr("apt install seabios"));
}

TEST_F(BootChoiceTest, TheBiosNeedsXen) {
  machine_.xen.enabled = false;
  machine_.disks[0].bus = DiskBus::kIde;
  EXPECT_THAT(Refusal("bios"), HasSubstr("--xen off"));
}

TEST_F(BootChoiceTest, WhatCannotBootIsSaid) {
  machine_.cmdline = "quiet";
  EXPECT_THAT(Refusal(""), HasSubstr("--cmdline"));
  machine_.cmdline.clear();
  machine_.disks.clear();
  EXPECT_THAT(Refusal(""), AllOf(HasSubstr("--kernel"), HasSubstr("IMAGE")));
}

TEST_F(BootChoiceTest, AMissingGrubIsNamedWithItsPackage) {
  files_.grub = "/nonexistent";
  EXPECT_THAT(Refusal("grub"), HasSubstr("apt install grub-xen-host"));
}

TEST_F(BootChoiceTest, GrubNeedsPvDisksAndThePvConsole) {
  machine_.xen.pv.console = false;
  EXPECT_THAT(Refusal("grub"), HasSubstr("--pv console=off"));
  machine_.xen.pv.disk = false;
  EXPECT_THAT(Refusal("grub"), HasSubstr("--pv disk=off"));
  machine_.xen.enabled = false;
  EXPECT_THAT(Refusal("grub"), HasSubstr("--xen off"));
  machine_.xen = {};
  machine_.disks[0].bus = DiskBus::kIde;
  EXPECT_THAT(Refusal("grub"), HasSubstr("bus=ide"));
}

TEST_F(RunOptionsTest, EphemeralDisksAreOverlays) {
  Parse("disk.img --disk path=data.img,readonly=on --kernel k --ephemeral");
  ASSERT_EQ(options_.machine.disks.size(), 2U);
  EXPECT_TRUE(options_.machine.disks[0].overlay);
  EXPECT_FALSE(options_.machine.disks[1].overlay) << "it is not written anyway";
}

TEST_F(RunOptionsTest, AnImageIsTheFirstDisk) {
  EXPECT_THAT(Refusal("disk.img --disk path=data.img --kernel k"), HasSubstr("accepted"));
  ASSERT_EQ(options_.machine.disks.size(), 2U);
  EXPECT_EQ(options_.machine.disks[0].path, "disk.img");
  EXPECT_EQ(options_.machine.disks[1].path, "data.img");
}

}  // namespace
}  // namespace veneer
