#include "src/vmm/cli/disk_control.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device_control_fixture.h"
#include "support/scratch_directory.h"
#include "veneer/vmm/base/unix_socket.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DiskControlTest : public DeviceControlTest<DiskControl, Disks, DiskConfig, std::string> {
 protected:
  DiskControlTest() {
    devices_ = std::make_unique<Disks>(BlockBackend::Parts{
        guest_.store, *guest_.events, *guest_.grants, guest_.metrics, guest_.poster()});
  }

  std::string Describe(const DiskConfig& config) const override { return config.vdev; }
  std::string File(const std::string& name, std::uint64_t bytes) const {
    const std::string path = scratch_.File(name);
    std::ofstream(path).close();
    std::filesystem::resize_file(path, bytes);
    return path;
  }

  const test::ScratchDirectory scratch_;
};

TEST_F(DiskControlTest, TheConfigurationFollowsForTheNextBoot) {
  DiskConfig first;
  first.path = File("a", 1U << 20U);
  configs_ = {first};  // without a name, as the user may leave it
  guest_.OnControl([&] { ASSERT_TRUE(devices_->Add(first)); });
  Make();
  EXPECT_THAT(Configured(), ElementsAre("xvda"));
  EXPECT_EQ(Add("path=" + File("b", 4096)).value(), "xvdb");
  EXPECT_THAT(Configured(), ElementsAre("xvda", "xvdb"));
  EXPECT_TRUE(Remove("xvda"));
  EXPECT_THAT(Configured(), ElementsAre("xvdb"));
}

TEST_F(DiskControlTest, IdeDisksKeepTheirPlaceInTheConfiguration) {
  DiskConfig ide;
  ide.path = "i";
  ide.bus = DiskBus::kIde;
  DiskConfig both;
  both.path = File("b", 4096);
  both.bus = DiskBus::kBoth;
  configs_ = {ide, both};
  guest_.OnControl([&] { ASSERT_EQ(devices_->Add(both).value(), "xvda"); });
  Make();
  EXPECT_THAT(Configured(), ElementsAre("", "xvda"));
  EXPECT_EQ(Add("path=" + File("c", 4096)).value(), "xvdb");
  EXPECT_TRUE(Remove("xvda"));
  EXPECT_THAT(Configured(), ElementsAre("", "xvdb"));
}

// For a guest that writes what it likes, and then reboots.
TEST_F(DiskControlTest, TheFormatOfTheNextBootIsWhatItWasWhenTheDiskCame) {
  Make();
  ASSERT_TRUE(Add("path=" + File("a", 1U << 20U)));
  guest_.OnControl([&] {
    EXPECT_EQ(configs_.front().format, DiskFormat::kRaw);
    EXPECT_TRUE(configs_.front().probed);
  });
}

// The loop goes on while an image is being opened, and may end before that has.
TEST_F(DiskControlTest, AServerThatDoesNotAnswerKeepsNobodyWaiting) {
  Make();
  const auto listener = ListenAt(scratch_.File("nbd"));
  ASSERT_TRUE(listener.has_value()) << listener.error().message;
  guest_.OnControl([&] {
    control_->Add("path=nbd+unix:///?socket=" + scratch_.File("nbd"),
                  [](const Result<std::string>&) { FAIL() << "nobody is left to hear of it"; });
  });
  EXPECT_EQ(Add("path=" + File("a", 4096)).value(), "xvda") << "meanwhile";
  guest_.OnControl([&] { control_.reset(); });
}

TEST_F(DiskControlTest, ListsWhatThereIs) {
  Make();
  const std::string path = File("a", 8192);
  ASSERT_TRUE(Add("path=" + path + ",readonly=on,vdev=xvdq"));
  std::vector<GuestInfo::Disk> list;
  guest_.OnControl([&] { list = control_->List(); });
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].name, "xvdq");
  EXPECT_EQ(list[0].path, path);
  EXPECT_EQ(list[0].bytes, 8192U);
  EXPECT_TRUE(list[0].readonly);
  EXPECT_FALSE(list[0].connected);
  EXPECT_FALSE(list[0].removing);
}

TEST_F(DiskControlTest, AResizedImageIsSeen) {
  Make();
  const std::string path = File("a", 4096);
  ASSERT_TRUE(Add("path=" + path));
  std::filesystem::resize_file(path, 1U << 20U);
  Result<void> resized;
  std::uint64_t bytes = 0;
  guest_.OnControl([&] {
    resized = control_->Resize("xvda");
    bytes = control_->List().at(0).bytes;
  });
  EXPECT_TRUE(resized);
  EXPECT_EQ(bytes, 1U << 20U);
}

TEST_F(DiskControlTest, SaysWhenTheGuestKeepsADiskAndLetsItGoLater) {
  Make(1);
  ASSERT_TRUE(Add("path=" + File("a", 4096)));
  // A front-end that is connected and does not answer.
  const std::string state = "/local/domain/1/device/vbd/51712/state";
  ASSERT_TRUE(guest_.store.Write(state, "4"));
  guest_.OnControl([] {});
  const Result<void> kept = Remove("xvda");
  ASSERT_FALSE(kept);
  EXPECT_THAT(kept.error().message, HasSubstr("still uses disk xvda"));
  EXPECT_THAT(Configured(), ElementsAre("xvda"));
  ASSERT_TRUE(guest_.store.Write(state, "6"));
  WaitUntilNoneIsLeft();
  EXPECT_TRUE(Configured().empty());
}

TEST_F(DiskControlTest, WhatCannotBeDoneIsSaid) {
  Make();
  EXPECT_THAT(Add("file=x").error().message, HasSubstr("no key 'file'"));
  EXPECT_FALSE(Add("path=" + scratch_.File("none")));
  EXPECT_THAT(Add("path=x,bus=ide").error().message, HasSubstr("IDE disk cannot be added"));
  EXPECT_THAT(Remove("xvdx").error().message, HasSubstr("no disk 'xvdx'"));
  EXPECT_TRUE(Configured().empty());
}

}  // namespace
}  // namespace veneer
