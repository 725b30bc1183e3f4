#include "src/devices/ide/ata_disk.h"

#include <cerrno>

#include "ide_fixture.h"

namespace veneer {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

class AtaDiskTest : public IdeTest {
 protected:
  void SetUp() override {
    image_ = &AddDrive({.serial = "S-1"});
    Build();
  }
  testing::FakeDiskImage* image_ = nullptr;
};

std::string Text(const std::vector<std::uint16_t>& words, std::size_t first, std::size_t count) {
  std::string text;
  for (std::size_t i = first; i < first + count; ++i) {
    text += static_cast<char>(words[i] >> 8U);
    text += static_cast<char>(words[i]);
  }
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

TEST_F(AtaDiskTest, SaysWhatItIs) {
  const std::vector<std::uint16_t> words = Identify();
  EXPECT_EQ(Status(), 0x50);
  EXPECT_EQ(words[0], 0x0040);
  EXPECT_EQ(Text(words, 10, 10), "S-1");
  EXPECT_EQ(Text(words, 27, 20), "VENEER HARDDISK");
  EXPECT_EQ(words[60] | words[61] << 16, kDiskSectors);
  EXPECT_EQ(words[100] | words[101] << 16, kDiskSectors);
  EXPECT_EQ(words[47], 0x8010);
  EXPECT_EQ(words[59], 0x0110) << "blocks of 16 sectors, from the start";
  EXPECT_EQ(words[63], 0x0007);
  EXPECT_EQ(words[88], 0x003f);
  EXPECT_EQ(words[83] & 0xf400, 0x7400) << "48-bit addresses and both flushes";
  EXPECT_EQ(words[85] & 0x20, 0x20) << "its write cache is on";
  EXPECT_EQ(words[169], 1);
  unsigned sum = 0;
  for (const std::uint16_t word : words) {
    sum += (word & 0xffU) + (word >> 8U);
  }
  EXPECT_EQ(sum & 0xffU, 0U);
}

TEST_F(AtaDiskTest, KeepsTheModeItIsGiven) {
  const auto set_mode = [&](unsigned mode) {
    Set(ata::kError, ata::kSetTransferMode);
    Set(ata::kCount, mode);
    Command(ata::kSetFeatures);
    return WaitForInterrupt();
  };
  EXPECT_EQ(set_mode(0x22), 0x50);
  EXPECT_EQ(Identify()[63], 0x0407);
  EXPECT_EQ(set_mode(0x45), 0x50);
  EXPECT_EQ(Identify()[88], 0x203f);
  EXPECT_EQ(Identify()[63], 0x0007);
  for (const unsigned wrong : {0x02U, 0x0dU, 0x10U, 0x23U, 0x46U, 0xffU}) {
    EXPECT_EQ(set_mode(wrong), 0x51) << wrong;
    EXPECT_EQ(Get(ata::kError), ata::kAborted);
  }
}

TEST_F(AtaDiskTest, DmaGoesToTheDiskAndBack) {
  FillMemory(kPage, 8 * 512, 3);
  const std::vector<std::byte> data = Memory(kPage, 8 * 512);
  EXPECT_EQ(Dma(ata::kWriteDma, 100, 8), 0x50);
  EXPECT_EQ(DmaStatus() & 0x07, bmide::kInterrupt);
  FillMemory(kPage, 8 * 512, 77);
  EXPECT_EQ(Dma(ata::kReadDma, 100, 8), 0x50);
  EXPECT_EQ(Memory(kPage, 8 * 512), data);
  EXPECT_EQ(metrics_.Get("ide.0.read_bytes").value(), 4096U);
  EXPECT_EQ(metrics_.Get("ide.0.writes").value(), 1U);
}

TEST_F(AtaDiskTest, ThePortAndDmaSeeTheSameDisk) {
  std::vector<std::uint8_t> data(3 * 512);
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<std::uint8_t>(i * 13 + i / 512);
  }
  Address28(7, 3);
  Command(ata::kWriteSectors);
  EXPECT_EQ(Status(), 0x58) << "the first block without an interrupt";
  EXPECT_EQ(lines_[0].edges(), 0);
  for (std::size_t block = 0; block < 3; ++block) {
    const auto first = data.begin() + static_cast<std::ptrdiff_t>(block * 512);
    WriteData(std::vector<std::uint8_t>(first, first + 512));
    EXPECT_EQ(WaitForInterrupt(), block < 2 ? 0x58 : 0x50);
  }
  EXPECT_EQ(Dma(ata::kReadDma, 7, 3), 0x50);
  const std::vector<std::byte> back = Memory(kPage, data.size());
  EXPECT_EQ(std::memcmp(back.data(), data.data(), data.size()), 0);

  Address48(7, 3);
  Command(ata::kReadSectorsExt);
  std::vector<std::uint8_t> read;
  for (int block = 0; block < 3; ++block) {
    EXPECT_EQ(WaitForInterrupt(), 0x58);
    const std::vector<std::uint8_t> part = ReadData(512);
    read.insert(read.end(), part.begin(), part.end());
  }
  EXPECT_EQ(read, data);
  EXPECT_EQ(Status(), 0x50);
  EXPECT_FALSE(lines_[0].level()) << "no interrupt after the last block";

  // As one block, with 32-bit accesses.
  Address28(7, 3);
  Command(ata::kReadMultiple);
  EXPECT_EQ(WaitForInterrupt(), 0x58);
  for (std::size_t i = 0; i < data.size(); i += 4) {
    std::uint32_t wanted = 0;
    std::memcpy(&wanted, &data[i], 4);
    ASSERT_EQ(ports_.Read(kPort, 4), wanted);
  }
  EXPECT_EQ(Status(), 0x50);
}

TEST_F(AtaDiskTest, BlocksOfMultipleTransfersHaveTheSizeThatWasSet) {
  Set(ata::kCount, 4);
  Command(ata::kSetMultiple);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  Address28(0, 6);
  Command(ata::kWriteMultiple);
  WriteData(std::vector<std::uint8_t>(4 * 512, 0x11));
  EXPECT_EQ(WaitForInterrupt(), 0x58);
  WriteData(std::vector<std::uint8_t>(2 * 512, 0x22));
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  EXPECT_THAT(image_->Seen(), ElementsAre(DiskAction::kWrite, DiskAction::kWrite));
  for (const unsigned wrong : {3U, 32U, 255U}) {
    Set(ata::kCount, wrong);
    Command(ata::kSetMultiple);
    EXPECT_EQ(WaitForInterrupt(), 0x51);
  }
  Set(ata::kCount, 0);
  Command(ata::kSetMultiple);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  Address28(0, 6);
  Command(ata::kReadMultiple);
  EXPECT_EQ(WaitForInterrupt(), 0x51);
}

TEST_F(AtaDiskTest, CylindersHeadsAndSectorsWork) {
  FillMemory(kPage, 512, 9);
  const std::vector<std::byte> data = Memory(kPage, 512);
  EXPECT_EQ(Dma(ata::kWriteDma, (2 * 16 + 3) * 63 + 4, 1), 0x50);
  const auto read = [&](unsigned cylinder, unsigned head, unsigned sector) {
    Set(ata::kCount, 1);
    Set(ata::kLbaLow, sector);
    Set(ata::kLbaMid, cylinder);
    Set(ata::kLbaHigh, cylinder >> 8U);
    Set(ata::kDevice, 0xa0U | head);
    Command(ata::kReadSectors);
    return WaitForInterrupt();
  };
  EXPECT_EQ(read(2, 3, 5), 0x58);
  const std::vector<std::uint8_t> back = ReadData(512);
  EXPECT_EQ(std::memcmp(back.data(), data.data(), 512), 0);
  EXPECT_EQ(read(0, 0, 0), 0x51) << "sectors count from 1";
  EXPECT_EQ(Get(ata::kError), ata::kIdNotFound);
  EXPECT_EQ(read(0, 0, 64), 0x51);
  Set(ata::kCount, 32);
  Set(ata::kDevice, 0xa3);  // four heads
  Command(ata::kInitializeParameters);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  EXPECT_EQ(read(0, 4, 1), 0x51);
  EXPECT_EQ(read(0, 3, 33), 0x51);
  EXPECT_EQ(read(0, 3, 32), 0x58);
}

TEST_F(AtaDiskTest, NothingBeyondItsEnd) {
  const auto last = static_cast<std::uint32_t>(kDiskSectors - 1);
  EXPECT_EQ(Dma(ata::kReadDma, last, 1), 0x50);
  EXPECT_EQ(Dma(ata::kVerify, last, 1), 0x50);
  for (const unsigned code :
       {unsigned{ata::kReadDma}, unsigned{ata::kWriteDma}, unsigned{ata::kReadSectors},
        unsigned{ata::kWriteSectors}, unsigned{ata::kReadMultiple}, unsigned{ata::kVerify}}) {
    EXPECT_EQ(Dma(code, last, 2), 0x51) << code;
    EXPECT_EQ(Get(ata::kError), ata::kIdNotFound);
  }
  for (const std::uint64_t lba : {kDiskSectors, ~std::uint64_t{0} >> 16U}) {
    Address48(lba, 0);
    Command(ata::kReadDmaExt);
    EXPECT_EQ(WaitForInterrupt(), 0x51);
    EXPECT_EQ(Get(ata::kError), ata::kIdNotFound);
  }
}

TEST_F(AtaDiskTest, FlushReachesTheImageAndItsErrorTheGuest) {
  Command(ata::kFlush);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  EXPECT_THAT(image_->Seen(), ElementsAre(DiskAction::kFlush));
  image_->SetVerdict([](const DiskOperation&) { return EIO; });
  Command(ata::kFlushExt);
  EXPECT_EQ(WaitForInterrupt(), 0x51);
  EXPECT_EQ(Get(ata::kError), ata::kAborted);
  EXPECT_EQ(Dma(ata::kReadDma, 0, 1), 0x51);
  EXPECT_EQ(Get(ata::kError), ata::kUncorrectable);
  EXPECT_EQ(Dma(ata::kWriteDma, 0, 1), 0x51);
  EXPECT_EQ(Get(ata::kError), ata::kAborted);
  EXPECT_EQ(metrics_.Get("ide.0.errors").value(), 3U);
}

TEST_F(AtaDiskTest, WithoutACacheEveryWriteIsFlushed) {
  Set(ata::kError, ata::kDisableWriteCache);
  Command(ata::kSetFeatures);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  EXPECT_EQ(Identify()[85] & 0x20, 0);
  EXPECT_EQ(Dma(ata::kWriteDma, 0, 1), 0x50);
  EXPECT_THAT(image_->Seen(),
              ElementsAre(DiskAction::kFlush, DiskAction::kWrite, DiskAction::kFlush));
}

TEST_F(AtaDiskTest, TrimDiscardsWhatItNames) {
  std::array<std::uint64_t, 64> ranges{};
  ranges[0] = 100 | std::uint64_t{8} << 48U;
  ranges[5] = 4000 | std::uint64_t{16} << 48U;
  ASSERT_TRUE(memory_->Write(Gpa{kPage}, ranges));
  const auto trim = [&] {
    PutTable({{kPage, 512, true}});
    Set(ata::kError, ata::kTrim);
    Address48(0, 1);
    Command(ata::kDataSetManagement);
    StartDma(false);
    const std::uint8_t status = WaitForInterrupt();
    StopDma();
    return status;
  };
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
  image_->SetVerdict([&seen](const DiskOperation& operation) {
    seen.emplace_back(operation.offset / 512, operation.length / 512);
    return 0;
  });
  EXPECT_EQ(trim(), 0x50);
  EXPECT_THAT(seen, ElementsAre(std::pair(100U, 8U), std::pair(4000U, 16U)));
  ranges[63] = kDiskSectors | std::uint64_t{1} << 48U;
  ASSERT_TRUE(memory_->Write(Gpa{kPage}, ranges));
  EXPECT_EQ(trim(), 0x51);
  EXPECT_EQ(seen.size(), 2U) << "all or nothing";
}

TEST_F(AtaDiskTest, WhatItDoesNotKnowItAborts) {
  for (const unsigned code : {0x00U, 0x08U, 0xa0U, 0xa1U, 0xb0U, 0xf1U, 0xffU}) {
    Set(ata::kDevice, 0xe0);
    Command(code);
    EXPECT_EQ(WaitForInterrupt(), 0x51) << code;
    EXPECT_EQ(Get(ata::kError), ata::kAborted);
  }
  Command(ata::kCheckPower);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  EXPECT_EQ(Get(ata::kCount), 0xff);
}

TEST_F(AtaDiskTest, NativeSizeInBothLengths) {
  Set(ata::kDevice, 0xe0);
  Command(ata::kReadNativeMax);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  const std::uint32_t low = Get(ata::kLbaLow) | Get(ata::kLbaMid) << 8U | Get(ata::kLbaHigh) << 16U;
  EXPECT_EQ(low, kDiskSectors - 1);
  Command(ata::kReadNativeMaxExt);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  Out8(kControl, ata::kHighOrderByte);
  EXPECT_EQ(Get(ata::kLbaLow), 0);
}

TEST_F(AtaDiskTest, NoInterruptWhileItIsSwitchedOff) {
  Out8(kControl, ata::kNoInterrupt);
  Command(ata::kIdle);
  EXPECT_EQ(Status(), 0x50);
  EXPECT_FALSE(lines_[0].level());
  Out8(kControl, 0);
  EXPECT_TRUE(lines_[0].level()) << "it was only held back";
  Get(ata::kStatus);
  EXPECT_FALSE(lines_[0].level());
}

TEST_F(IdeTest, AReadOnlyImageRefusesToBeWritten) {
  AddDrive().SetReadonly(true);
  Build();
  EXPECT_EQ(Dma(ata::kWriteDma, 0, 1), 0x51);
  EXPECT_EQ(Get(ata::kError), ata::kAborted);
  Address28(0, 1);
  Command(ata::kWriteSectors);
  WriteData(std::vector<std::uint8_t>(512));
  EXPECT_EQ(WaitForInterrupt(), 0x51);
  EXPECT_EQ(Dma(ata::kReadDma, 0, 1), 0x50);
}

TEST_F(IdeTest, AnUnsafeDiskIsNeverFlushed) {
  testing::FakeDiskImage& image = AddDrive({.flush = false});
  Build();
  Command(ata::kFlush);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  Set(ata::kError, ata::kDisableWriteCache);
  Command(ata::kSetFeatures);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  EXPECT_EQ(Dma(ata::kWriteDma, 0, 1), 0x50);
  EXPECT_THAT(image.Seen(), ElementsAre(DiskAction::kWrite));
}

}  // namespace
}  // namespace veneer
