// Adding, removing and resizing disks of a guest that runs.

#include "veneer/backends/block/disks.h"

#include <gmock/gmock.h>

#include "block_fixture.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;
using testing::Transfer;

class DisksTest : public ::testing::Test {
 protected:
  DisksTest() { guest_.StartControl(); }
  ~DisksTest() override {
    guest_.OnControl([this] { disks_.reset(); });
    guest_.StopControl();
  }
  Result<std::string> Add(const std::string& path, const std::string& vdev = "") {
    DiskConfig config;
    config.path = path;
    config.vdev = vdev;
    Result<std::string> name;
    guest_.OnControl([&] { name = disks_->Add(config); });
    return name;
  }

  PvGuest guest_;
  TemporaryFile a_{1U << 20U};
  TemporaryFile b_{2U << 20U};
  TemporaryFile c_{3U << 20U};
  std::unique_ptr<Disks> disks_ = std::make_unique<Disks>(BlockBackend::Parts{
      guest_.store, *guest_.events, *guest_.grants, guest_.metrics, guest_.poster()});
};

TEST_F(DisksTest, NamesAreGivenOrTaken) {
  EXPECT_EQ(Add(a_.path()).value_or(""), "xvda");
  EXPECT_EQ(Add(b_.path(), "xvdc").value_or(""), "xvdc");
  EXPECT_EQ(Add(c_.path()).value_or(""), "xvdb");
  const auto taken = Add(a_.path(), "xvdc");
  ASSERT_FALSE(taken.has_value());
  EXPECT_THAT(taken.error().message, HasSubstr("a disk xvdc already"));
  guest_.OnControl([this] {
    const auto list = disks_->List();
    ASSERT_EQ(list.size(), 3U);
    EXPECT_EQ(list.at("xvdc").bytes, 2U << 20U);
    EXPECT_EQ(list.at("xvdc").state, XenbusState::kInitWait);
  });
}

TEST_F(DisksTest, TheSameFileTwiceIsRefused) {
  EXPECT_TRUE(Add(a_.path()).has_value());
  const auto again = Add(a_.path());
  ASSERT_FALSE(again.has_value());
  EXPECT_THAT(again.error().message, HasSubstr("in use by another disk or program"));
}

TEST_F(DisksTest, HotAddUseRemoveAndAddAgain) {
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(Add(a_.path()).value_or(""), "xvda");
    BlockFrontEnd front(guest_);
    ASSERT_TRUE(front.Connect());
    const Gfn page = guest_.NewPage();
    EXPECT_EQ(front.queue().Do(Transfer(BLKIF_OP_READ, 1, 0, {{guest_.Grant(page)}})).status,
              BLKIF_RSP_OKAY);
    std::promise<void> removed;
    guest_.OnControl([&] {
      EXPECT_TRUE(disks_->Remove("xvda", [&] { removed.set_value(); }).has_value());
      EXPECT_FALSE(disks_->Remove("xvda", [] {}).has_value()) << "once is enough";
    });
    front.Say(XenbusState::kClosed);
    ASSERT_EQ(removed.get_future().wait_for(testing::kPatience), std::future_status::ready);
    guest_.OnControl([this] { EXPECT_TRUE(disks_->List().empty()); });
  }
}

TEST_F(DisksTest, WhatIsNotThereIsNamed) {
  guest_.OnControl([this] {
    EXPECT_EQ(disks_->Remove("xvdx", [] {}).error().message, "there is no disk 'xvdx'");
    EXPECT_EQ(disks_->Resize("xvdx").error().message, "there is no disk 'xvdx'");
  });
}

TEST_F(DisksTest, ANewGuestFindsAllDisksAsNew) {
  std::promise<void> none;
  guest_.OnControl([&] { disks_->StartOver([&] { none.set_value(); }); });
  ASSERT_EQ(none.get_future().wait_for(testing::kPatience), std::future_status::ready);

  ASSERT_EQ(Add(a_.path()).value_or(""), "xvda");
  ASSERT_EQ(Add(b_.path()).value_or(""), "xvdb");
  for (int life = 0; life < 3; ++life) {
    BlockFrontEnd front(guest_);
    ASSERT_TRUE(front.Connect());
    const Gfn page = guest_.NewPage();
    EXPECT_EQ(front.queue().Do(Transfer(BLKIF_OP_READ, 1, 0, {{guest_.Grant(page)}})).status,
              BLKIF_RSP_OKAY);
    std::promise<void> done;
    guest_.OnControl([&] { disks_->StartOver([&] { done.set_value(); }); });
    ASSERT_EQ(done.get_future().wait_for(testing::kPatience), std::future_status::ready);
    EXPECT_EQ(guest_.grants->mappings(), 0U);
    guest_.OnControl([this] {
      for (const auto& [name, disk] : disks_->List()) {
        EXPECT_EQ(disk.state, XenbusState::kInitWait) << name;
      }
    });
  }
}

}  // namespace
}  // namespace veneer
