#include "disk_control.h"

#include <filesystem>
#include <fstream>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/pv_guest.h"
#include "support/scratch_directory.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kPatience;

constexpr std::uint64_t kHour = 3'600'000'000'000;  // ns

class DiskControlTest : public ::testing::Test {
 protected:
  DiskControlTest() { guest_.StartControl(); }
  ~DiskControlTest() override {
    guest_.OnControl([this] {
      control_.reset();
      disks_.reset();
    });
    guest_.StopControl();
  }

  std::string File(const std::string& name, std::uint64_t bytes) const {
    const std::string path = scratch_.File(name);
    std::ofstream(path).close();
    std::filesystem::resize_file(path, bytes);
    return path;
  }
  void Make(std::uint64_t removal_limit_ns = kHour) {
    guest_.OnControl([&] {
      control_ = std::make_unique<DiskControl>(*disks_, *guest_.loop, configs_, removal_limit_ns);
    });
  }
  Result<std::string> Add(const std::string& text) {
    Result<std::string> name;
    guest_.OnControl([&] { name = control_->Add(text); });
    return name;
  }
  // Its outcome, once it has one.
  std::future<Result<void>> Remove(const std::string& vdev) {
    auto outcome = std::make_shared<std::promise<Result<void>>>();
    guest_.OnControl([&] {
      control_->Remove(vdev, [outcome](Result<void> result) { outcome->set_value(result); });
    });
    return outcome->get_future();
  }
  static Result<void> Get(std::future<Result<void>> outcome) {
    EXPECT_EQ(outcome.wait_for(kPatience), std::future_status::ready);
    return outcome.get();
  }
  std::vector<std::string> ConfiguredNames() {
    std::vector<std::string> names;
    guest_.OnControl([&] {
      for (const DiskConfig& config : configs_) {
        names.push_back(config.vdev);
      }
    });
    return names;
  }

  const test::ScratchDirectory scratch_;
  testing::PvGuest guest_;
  std::vector<DiskConfig> configs_;
  std::unique_ptr<Disks> disks_ = std::make_unique<Disks>(BlockBackend::Parts{
      guest_.store, *guest_.events, *guest_.grants, guest_.metrics, guest_.poster()});
  std::unique_ptr<DiskControl> control_;
};

TEST_F(DiskControlTest, TheConfigurationFollowsForTheNextBoot) {
  DiskConfig first;
  first.path = File("a", 1U << 20U);
  configs_ = {first};  // without a name, as the user may leave it
  guest_.OnControl([&] { ASSERT_TRUE(disks_->Add(first)); });
  Make();
  EXPECT_THAT(ConfiguredNames(), ElementsAre("xvda"));
  EXPECT_EQ(Add("path=" + File("b", 4096)).value(), "xvdb");
  EXPECT_THAT(ConfiguredNames(), ElementsAre("xvda", "xvdb"));
  EXPECT_TRUE(Get(Remove("xvda")));
  EXPECT_THAT(ConfiguredNames(), ElementsAre("xvdb"));
}

TEST_F(DiskControlTest, IdeDisksKeepTheirPlaceInTheConfiguration) {
  DiskConfig ide;
  ide.path = "i";
  ide.bus = DiskBus::kIde;
  DiskConfig both;
  both.path = File("b", 4096);
  both.bus = DiskBus::kBoth;
  configs_ = {ide, both};
  guest_.OnControl([&] { ASSERT_EQ(disks_->Add(both).value(), "xvda"); });
  Make();
  EXPECT_THAT(ConfiguredNames(), ElementsAre("", "xvda"));
  EXPECT_EQ(Add("path=" + File("c", 4096)).value(), "xvdb");
  EXPECT_TRUE(Get(Remove("xvda")));
  EXPECT_THAT(ConfiguredNames(), ElementsAre("", "xvdb"));
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
  const Result<void> kept = Get(Remove("xvda"));
  ASSERT_FALSE(kept);
  EXPECT_THAT(kept.error().message, HasSubstr("still uses disk xvda"));
  EXPECT_THAT(ConfiguredNames(), ElementsAre("xvda"));
  ASSERT_TRUE(guest_.store.Write(state, "6"));
  for (std::size_t left = 1; left > 0;) {
    guest_.OnControl([&] { left = disks_->List().size(); });
  }
  EXPECT_TRUE(ConfiguredNames().empty());
}

TEST_F(DiskControlTest, WhatCannotBeDoneIsSaid) {
  Make();
  EXPECT_THAT(Add("file=x").error().message, HasSubstr("no key 'file'"));
  EXPECT_FALSE(Add("path=" + scratch_.File("none")));
  EXPECT_THAT(Add("path=x,bus=ide").error().message, HasSubstr("IDE disk cannot be added"));
  EXPECT_THAT(Get(Remove("xvdx")).error().message, HasSubstr("no disk 'xvdx'"));
  EXPECT_TRUE(ConfiguredNames().empty());
}

}  // namespace
}  // namespace veneer
