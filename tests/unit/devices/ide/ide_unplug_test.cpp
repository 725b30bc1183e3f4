#include <thread>

#include "ide_fixture.h"
#include "support/eventually.h"

namespace veneer {
namespace {

class IdeUnplugTest : public IdeTest {
 protected:
  // Two twins on the primary channel, a disk of its own and a CD-ROM on the secondary.
  void SetUp() override {
    first_ = &AddDrive({.twin = true});
    AddDrive({.twin = true});
    AddDrive();
    AddDrive({.cdrom = true});
    Build();
  }
  std::uint8_t StatusOf(std::uint64_t port, bool second) {
    Out8(port + ata::kDevice, second ? 0xf0 : 0xe0);
    return In8(port + ata::kStatus);
  }
  testing::FakeDiskImage* first_ = nullptr;
};

constexpr std::uint64_t kPrimary = 0x1f0;
constexpr std::uint64_t kSecondary = 0x170;

TEST_F(IdeUnplugTest, TwinsGoAndOthersStay) {
  EXPECT_EQ(StatusOf(kPrimary, false), 0x50);
  controller_->UnplugTwins(false);
  EXPECT_EQ(StatusOf(kPrimary, false), 0);
  EXPECT_EQ(StatusOf(kPrimary, true), 0);
  EXPECT_EQ(StatusOf(kSecondary, false), 0x50);
  StatusOf(kSecondary, true);
  EXPECT_EQ(In8(kSecondary + ata::kLbaMid), 0x14) << "a CD-ROM";
  controller_->UnplugTwins(false);
  // As Linux's probe finds it.
  Select(false);
  Set(ata::kCount, 0x55);
  Set(ata::kLbaLow, 0xaa);
  EXPECT_EQ(Get(ata::kCount), 0);
  EXPECT_EQ(Get(ata::kLbaLow), 0);
  Command(ata::kIdentify);
  Command(ata::kExecuteDiagnostic);
  EXPECT_EQ(Status(), 0);
  EXPECT_EQ(lines_[0].edges(), 0);
}

TEST_F(IdeUnplugTest, TheFirstMayStay) {
  controller_->UnplugTwins(true);
  EXPECT_EQ(StatusOf(kPrimary, false), 0x50);
  EXPECT_EQ(StatusOf(kPrimary, true), 0);
}

TEST_F(IdeUnplugTest, WithATransferUnderWay) {
  first_->Hold(true);
  FillMemory(kPage, 512, 1);
  PutTable({{kPage, 512, true}});
  Address28(5, 1);
  Command(ata::kWriteDma);
  StartDma(false);
  first_->WaitForSeen(1);
  controller_->UnplugTwins(false);
  EXPECT_EQ(Status(), 0);
  EXPECT_EQ(Get(ata::kCount), 0);
  first_->Hold(false);
  // The write ends, unseen.
  ASSERT_TRUE(testing::Eventually([&] { return metrics_.Get("ide.0.writes").value() != 0; }));
  EXPECT_EQ(Status(), 0);
  EXPECT_EQ(lines_[0].edges(), 0);
}

// Storage that does not answer does not keep Veneer from ending.
TEST_F(IdeUnplugTest, TheControllerGoesWithADiskThatHangs) {
  first_->Hold(true);
  PutTable({{kPage, 512, true}});
  Address28(5, 1);
  Command(ata::kReadDma);
  StartDma(true);
  first_->WaitForSeen(1);
  controller_.reset();
}

TEST_F(IdeUnplugTest, InTheMidstOfData) {
  Command(ata::kIdentify);
  EXPECT_TRUE(lines_[0].WaitForHigh());
  In16(kPrimary);
  controller_->UnplugTwins(false);
  EXPECT_FALSE(lines_[0].level());
  EXPECT_EQ(In16(kPrimary), 0);
  EXPECT_EQ(Status(), 0);
}

TEST_F(IdeUnplugTest, RacingWithItsUse) {
  std::thread user([this] {
    for (unsigned i = 0; i < 500; ++i) {
      PutTable({{kPage, 512, true}});
      Address28(i, 1);
      Select(i % 2 == 0);
      Command(i % 3 == 0 ? ata::kIdentify : ata::kReadDma);
      StartDma(true);
      In16(kPrimary);
      Get(ata::kStatus);
      StopDma();
    }
  });
  controller_->UnplugTwins(true);
  controller_->UnplugTwins(false);
  user.join();
  EXPECT_EQ(StatusOf(kPrimary, false), 0);
  EXPECT_EQ(StatusOf(kPrimary, true), 0);
}

// The image can be opened again by somebody else.
TEST_F(IdeUnplugTest, TheImageIsLetGo) {
  class Watched final : public DiskImage {
   public:
    Watched(std::shared_ptr<std::atomic<bool>> gone) : gone_(std::move(gone)) {}
    ~Watched() override { *gone_ = true; }
    Facts facts() const override { return image_.facts(); }
    Result<void> Refresh() override { return {}; }
    Result<std::unique_ptr<DiskChannel>> OpenChannel() override { return image_.OpenChannel(); }

   private:
    testing::FakeDiskImage image_{4096};
    std::shared_ptr<std::atomic<bool>> gone_;
  };
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  std::vector<IdeDriveConfig> drives(1);
  drives[0].twin = true;
  drives[0].image = std::make_unique<Watched>(gone);
  const auto controller =
      IdeController::Create({*memory_, metrics_, {&lines_[0], &lines_[1]}}, std::move(drives))
          .value();
  controller->UnplugTwins(false);
  ASSERT_TRUE(testing::Eventually([&] { return gone->load(); }));
}

}  // namespace
}  // namespace veneer
