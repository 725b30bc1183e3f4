// What no operating system does to a controller, and some do when something has gone wrong.

#include <thread>

#include "ide_fixture.h"
#include "support/eventually.h"

namespace veneer {
namespace {

class IdeHostileTest : public IdeTest {
 protected:
  void SetUp() override {
    image_ = &AddDrive();
    second_ = &AddDrive();
    Build();
  }
  void BeginHeldRead(testing::FakeDiskImage& image, bool second) {
    image.Hold(true);
    PutTable({{kPage, 512, true}});
    Address28(0, 1);
    Select(second);
    Command(ata::kReadDma);
    StartDma(true);
    image.WaitForSeen(1);
    EXPECT_EQ(Status(), ata::kBusy);
  }
  testing::FakeDiskImage* image_ = nullptr;
  testing::FakeDiskImage* second_ = nullptr;
};

TEST_F(IdeHostileTest, ABadTableFailsTheCommandAndTheMaster) {
  const auto read = [&](const std::vector<Region>& regions, bool to_memory) {
    PutTable(regions);
    Address28(0, 4);
    Command(ata::kReadDma);
    StartDma(to_memory);
    const std::uint8_t status = WaitForInterrupt();
    EXPECT_EQ(DmaStatus() & 0x03, bmide::kFailed);
    Out8(kBusMaster + bmide::kStatus, bmide::kFailed | bmide::kInterrupt);
    StopDma();
    return status;
  };
  EXPECT_EQ(read({{kPage, 3 * 512, true}}, true), 0x51) << "too short";
  EXPECT_EQ(read({{0xf0000000, 4 * 512, true}}, true), 0x51) << "not memory";
  EXPECT_EQ(read({{kPage, 512, false}, {0xf0000000, 4 * 512, true}}, true), 0x51);
  EXPECT_EQ(read({{kPage, 4 * 512, true}}, false), 0x51) << "the other direction";
  EXPECT_EQ(Dma(ata::kReadDma, 0, 4), 0x50) << "and then it goes on";
}

TEST_F(IdeHostileTest, TheMasterMayBeStartedFirst) {
  PutTable({{kPage, 512, true}});
  StartDma(true);
  Address28(0, 1);
  Command(ata::kReadDma);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
}

TEST_F(IdeHostileTest, AResetWaitsForTheTransferUnderWay) {
  BeginHeldRead(*image_, false);
  Out8(kControl, ata::kSoftReset);
  Out8(kControl, 0);
  EXPECT_EQ(Status(), ata::kBusy);
  // What is written now goes nowhere.
  Set(ata::kCount, 0x55);
  Command(ata::kIdentify);
  EXPECT_EQ(Status(), ata::kBusy);
  image_->Hold(false);
  ASSERT_TRUE(testing::Eventually([&] { return (Status() & ata::kBusy) == 0; }));
  EXPECT_EQ(Status(), 0x50);
  EXPECT_EQ(Get(ata::kError), ata::kDiagnosticPassed);
  EXPECT_EQ(Get(ata::kCount), 1);
  EXPECT_FALSE(lines_[0].level()) << "nobody is told of the read's end";
  EXPECT_EQ(Identify()[0], 0x0040);
}

TEST_F(IdeHostileTest, AResetStaysForAsLongAsItIsAsserted) {
  Out8(kControl, ata::kSoftReset);
  EXPECT_EQ(Status(), ata::kBusy);
  Command(ata::kIdentify);
  EXPECT_EQ(Status(), ata::kBusy);
  Out8(kControl, 0);
  EXPECT_EQ(Status(), 0x50);
}

TEST_F(IdeHostileTest, AStoppedMasterEndsTheCommand) {
  BeginHeldRead(*image_, false);
  StopDma();
  image_->Hold(false);
  EXPECT_EQ(WaitForInterrupt(), 0x51);
  EXPECT_EQ(DmaStatus() & 0x03, bmide::kFailed);
}

TEST_F(IdeHostileTest, NothingMovesABusyDrive) {
  BeginHeldRead(*image_, false);
  for (unsigned reg = 1; reg < 8; ++reg) {
    Out8(kPort + reg, 0xff);
  }
  EXPECT_EQ(In16(kPort), 0);
  Out16(kPort, 0xffff);
  EXPECT_EQ(Status(), ata::kBusy);
  image_->Hold(false);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
}

TEST_F(IdeHostileTest, BothDrivesAreBusyWhileOneIs) {
  BeginHeldRead(*second_, true);
  Out8(kBusMaster, 0x09);
  Select(false);  // not taken
  EXPECT_EQ(Status(), ata::kBusy);
  second_->Hold(false);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  EXPECT_EQ(Get(ata::kDevice) & ata::kDeviceSecond, ata::kDeviceSecond);
}

TEST_F(IdeHostileTest, ACommandInTheMidstOfDataStartsAnew) {
  Command(ata::kIdentify);
  EXPECT_EQ(WaitForInterrupt(), 0x58);
  ReadData(100);
  Command(ata::kIdle);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  EXPECT_EQ(In16(kPort), 0);
  EXPECT_EQ(Identify()[0], 0x0040);
}

TEST_F(IdeHostileTest, DataIsNeitherReadNorWrittenBeyondItsEnd) {
  Command(ata::kIdentify);
  EXPECT_EQ(WaitForInterrupt(), 0x58);
  ReadData(510);
  EXPECT_EQ(ports_.Read(kPort, 4) >> 16U, 0U) << "half a dword is left";
  EXPECT_EQ(Status(), 0x50);
  EXPECT_EQ(In16(kPort), 0);
  Address28(0, 1);
  Command(ata::kWriteSectors);
  WriteData(std::vector<std::uint8_t>(510, 0xee));
  Out32(kPort, 0xffffffff);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  Out32(kPort, 0xffffffff);
  EXPECT_EQ(Status(), 0x50);
  EXPECT_EQ(image_->Seen().size(), 1U);
}

TEST_F(IdeHostileTest, AccessesOfOddSizesAreHarmless) {
  for (unsigned offset = 0; offset < 8; ++offset) {
    for (const unsigned size : {1U, 2U, 4U, 8U}) {
      ports_.Write(kPort + offset, size, 0);
      ports_.Read(kPort + offset, size);
      ports_.Write(kBusMaster + offset, size, 0);
      ports_.Read(kBusMaster + offset, size);
    }
  }
  ports_.Write(kBusMaster + 6, 4, 0x09090909);  // across both channels
  EXPECT_EQ(ports_.Read(kBusMaster + 8, 1), 0x09U);
}

TEST_F(IdeHostileTest, EndsWhileATransferIsUnderWay) {
  BeginHeldRead(*image_, false);
  std::thread lets_go([this] { image_->Hold(false); });
  controller_.reset();
  lets_go.join();
}

TEST_F(IdeHostileTest, SeveralVcpusAtOnce) {
  std::thread other([this] {
    for (int i = 0; i < 300; ++i) {
      Out8(kControl, i % 7 == 0 ? ata::kSoftReset : 0);
      Out8(kBusMaster, static_cast<unsigned>(i));
      Set(ata::kDevice, i % 2 == 0 ? 0xe0 : 0xf0);
      Status();
    }
    Out8(kControl, 0);
  });
  for (unsigned i = 0; i < 300; ++i) {
    PutTable({{kPage, 512, true}});
    Address28(i, 1);
    Command(i % 2 == 0 ? ata::kReadDma : ata::kWriteSectors);
    StartDma(true);
    Out16(kPort, i);
    Get(ata::kStatus);
  }
  other.join();
  Out8(kControl, ata::kSoftReset);
  Out8(kControl, 0);
  ASSERT_TRUE(testing::Eventually([&] { return (Status() & ata::kBusy) == 0; }));
  StopDma();
  EXPECT_EQ(Dma(ata::kReadDma, 0, 1), 0x50);
}

}  // namespace
}  // namespace veneer
