#include "src/vmm/machine/ide_disks.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_devices.h"
#include "support/pci_root.h"
#include "support/temporary_file.h"
#include "veneer/xencompat/platform/platform_ports.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr std::uint64_t kBytes = std::uint64_t{1} << 20U;

class IdeDisksTest : public ::testing::Test {
 protected:
  IdeDisksTest() { EXPECT_TRUE(root_.pci.Attach()); }

  void AddDisk(DiskBus bus) {
    files_.push_back(std::make_unique<TemporaryFile>(kBytes));
    DiskConfig disk;
    disk.path = files_.back()->path();
    disk.bus = bus;
    config_.disks.push_back(disk);
  }
  Result<std::unique_ptr<IdeDisks>> Create() {
    return IdeDisks::Create({.config = config_,
                             .memory = *memory_,
                             .ports = root_.ports,
                             .pci = root_.pci,
                             .metrics = metrics_,
                             .make_line = [this](Gsi gsi) -> std::unique_ptr<InterruptLine> {
                               auto line = std::make_unique<FakeInterruptLine>();
                               lines_[gsi.value] = line.get();
                               return line;
                             },
                             .on_failure = [](const DiskFailure&) {}});
  }
  static std::vector<std::string> Names(const IdeDisks& disks) {
    std::vector<std::string> names;
    for (const EmulatedDevices::Disk& disk : disks.List()) {
      names.push_back(disk.name);
    }
    return names;
  }
  // A command without data to a drive of the channel at `base`, once it is ready for one.
  void Command(std::uint64_t base, std::uint8_t drive, std::uint8_t command) {
    root_.ports.Write(base + 6, 1, 0xa0U | drive << 4U);
    root_.ports.Write(base + 7, 1, command);
  }

  MachineConfig config_;
  std::vector<std::unique_ptr<TemporaryFile>> files_;
  const std::unique_ptr<GuestMemory> memory_ = GuestMemory::CreateFlat(16 * kPageSize).value();
  Metrics metrics_;
  testing::PciRoot root_;
  std::map<std::uint32_t, FakeInterruptLine*> lines_;
};

TEST_F(IdeDisksTest, WithoutIdeDisksThereIsNoController) {
  AddDisk(DiskBus::kPv);
  EXPECT_EQ(Create().value(), nullptr);
  EXPECT_TRUE(lines_.empty());
}

TEST_F(IdeDisksTest, EachChannelInterruptsOnItsOwnLine) {
  for (int i = 0; i < 3; ++i) {
    AddDisk(DiskBus::kIde);
  }
  const auto disks = Create().value();
  ASSERT_EQ(lines_.size(), 2U);
  constexpr std::uint8_t kIdentify = 0xec;
  Command(0x170, 0, kIdentify);
  EXPECT_TRUE(lines_.at(15)->WaitForHigh());
  EXPECT_FALSE(lines_.at(14)->level());
  Command(0x1f0, 0, kIdentify);
  EXPECT_TRUE(lines_.at(14)->WaitForHigh());
}

TEST_F(IdeDisksTest, TheControllerSharesItsSlotWithTheIsaBridge) {
  AddDisk(DiskBus::kIde);
  const auto disks = Create().value();
  const auto class_of = [this](unsigned function) {
    root_.ports.Write(0xcf8, 4, 0x80000000U | 1U << 11U | function << 8U | 8U);
    return root_.ports.Read(0xcfc, 4) >> 16U;
  };
  EXPECT_EQ(class_of(0), 0x0601U);
  EXPECT_EQ(class_of(1), 0x0101U);
}

TEST_F(IdeDisksTest, MoreThanAPcHasRoomForIsAUsageError) {
  for (int i = 0; i < 5; ++i) {
    AddDisk(DiskBus::kIde);
  }
  const auto disks = Create();
  ASSERT_FALSE(disks);
  EXPECT_EQ(disks.error().kind, ErrorKind::kUsage);
}

TEST_F(IdeDisksTest, ATwinsImageIsThereForItsPvDiskOnce) {
  AddDisk(DiskBus::kPv);
  AddDisk(DiskBus::kBoth);
  AddDisk(DiskBus::kIde);
  const auto disks = Create().value();
  EXPECT_EQ(disks->TakeSharedImage(0), nullptr);
  EXPECT_EQ(disks->TakeSharedImage(2), nullptr);
  const auto image = disks->TakeSharedImage(1);
  ASSERT_NE(image, nullptr);
  EXPECT_EQ(image->facts().bytes, kBytes);
  EXPECT_EQ(disks->TakeSharedImage(1), nullptr);
}

TEST_F(IdeDisksTest, UnpluggingTakesTwinsAndNothingElse) {
  AddDisk(DiskBus::kBoth);
  AddDisk(DiskBus::kIde);
  AddDisk(DiskBus::kBoth);
  const auto disks = Create().value();
  EXPECT_THAT(Names(*disks), ElementsAre("ide0", "ide1", "ide2"));
  disks->Unplug(kUnplugAuxDisks);
  EXPECT_THAT(Names(*disks), ElementsAre("ide0", "ide1"));
  disks->Unplug(kUnplugAllNics);
  EXPECT_THAT(Names(*disks), ElementsAre("ide0", "ide1"));
  disks->Unplug(kUnplugAllDisks);
  EXPECT_THAT(Names(*disks), ElementsAre("ide1"));
  // The guest finds nobody where the twin was.
  root_.ports.Write(0x1f6, 1, 0xa0);
  EXPECT_EQ(root_.ports.Read(0x1f7, 1) & 0x40U, 0U);
}

TEST_F(IdeDisksTest, WithoutPvDisksThereAreNoTwins) {
  config_.xen.pv.disk = false;
  AddDisk(DiskBus::kBoth);
  const auto disks = Create().value();
  EXPECT_EQ(disks->TakeSharedImage(0), nullptr);
  disks->Unplug(kUnplugAllDisks);
  EXPECT_THAT(Names(*disks), ElementsAre("ide0"));
}

}  // namespace
}  // namespace veneer
