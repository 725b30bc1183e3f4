#include "src/devices/ide/atapi.h"

#include <cerrno>

#include "ide_fixture.h"
#include "support/eventually.h"

namespace veneer {
namespace {

class AtapiTest : public IdeTest {
 protected:
  static constexpr std::uint64_t kDiscBytes = 100 * 2048 + 512;

  void SetUp() override {
    AddDrive();  // the master
    image_ = &AddDrive({.cdrom = true}, kDiscBytes);
    Build();
    FillDisc();
    Set(ata::kDevice, 0xb0);
  }
  void FillDisc() {
    // Every block begins with its number.
    const auto channel = image_->OpenChannel().value();
    std::vector<std::byte> data(100 * 2048);
    for (std::size_t block = 0; block < 100; ++block) {
      data[block * 2048] = static_cast<std::byte>(block);
      data[block * 2048 + 2047] = static_cast<std::byte>(block + 1);
    }
    DiskOperation operation{.action = DiskAction::kWrite,
                            .length = data.size(),
                            .buffers = {iovec{data.data(), data.size()}}};
    channel->Queue(operation);
    channel->Submit();
    ASSERT_EQ(channel->Collect().size(), 1U);
  }
  // Up to where the drive has taken the packet.
  void Send(std::vector<std::uint8_t> packet, bool dma, unsigned limit) {
    packet.resize(12);
    Set(ata::kError, dma ? 1 : 0);
    Set(ata::kLbaMid, limit);
    Set(ata::kLbaHigh, limit >> 8U);
    Command(ata::kPacket);
    EXPECT_EQ(Status() & ata::kDataRequest, ata::kDataRequest);
    EXPECT_EQ(Get(ata::kCount), ata::kReasonCommand);
    WriteData(packet);
  }
  struct Outcome {
    std::uint8_t status = 0;
    std::vector<std::uint8_t> data;
    unsigned chunks = 0;
  };
  Outcome Packet(const std::vector<std::uint8_t>& packet, unsigned limit = 0xfffe) {
    Send(packet, false, limit);
    Outcome outcome;
    for (;;) {
      outcome.status = WaitForInterrupt();
      if ((outcome.status & ata::kDataRequest) == 0) {
        EXPECT_EQ(Get(ata::kCount), 3) << "the command's end";
        return outcome;
      }
      EXPECT_EQ(Get(ata::kCount), ata::kReasonToHost);
      const std::size_t bytes = Get(ata::kLbaMid) | static_cast<std::size_t>(Get(ata::kLbaHigh))
                                                        << 8U;
      EXPECT_LE(bytes, limit);
      const std::vector<std::uint8_t> part = ReadData(bytes);
      outcome.data.insert(outcome.data.end(), part.begin(),
                          part.begin() + static_cast<std::ptrdiff_t>(bytes));
      ++outcome.chunks;
    }
  }
  // Key, code.
  std::pair<unsigned, unsigned> SenseOf() {
    const Outcome outcome = Packet({atapi::kRequestSense, 0, 0, 0, 18});
    EXPECT_EQ(outcome.status, 0x50);
    EXPECT_EQ(outcome.data.size(), 18U);
    return {outcome.data[2], outcome.data[12]};
  }
  testing::FakeDiskImage* image_ = nullptr;
};

std::vector<std::uint8_t> Read10(std::uint32_t block, unsigned count) {
  return {atapi::kRead10,
          0,
          static_cast<std::uint8_t>(block >> 24U),
          static_cast<std::uint8_t>(block >> 16U),
          static_cast<std::uint8_t>(block >> 8U),
          static_cast<std::uint8_t>(block),
          0,
          static_cast<std::uint8_t>(count >> 8U),
          static_cast<std::uint8_t>(count)};
}

TEST_F(AtapiTest, HasADiscOfWholeBlocks) {
  EXPECT_EQ(Packet({atapi::kTestUnitReady}).status, 0x50);
  const Outcome capacity = Packet({atapi::kReadCapacity});
  ASSERT_EQ(capacity.data.size(), 8U);
  EXPECT_EQ(atapi::Get32(capacity.data, 0), 99U);
  EXPECT_EQ(atapi::Get32(capacity.data, 4), 2048U);
}

TEST_F(AtapiTest, BlocksAreReadByThePort) {
  const Outcome outcome = Packet(Read10(40, 20), 2048);
  EXPECT_EQ(outcome.status, 0x50);
  EXPECT_EQ(outcome.chunks, 20U);
  ASSERT_EQ(outcome.data.size(), 20U * 2048);
  for (std::size_t i = 0; i < 20; ++i) {
    ASSERT_EQ(outcome.data[i * 2048], 40 + i);
    ASSERT_EQ(outcome.data[i * 2048 + 2047], 41 + i);
  }
  EXPECT_EQ(Packet(Read10(40, 20), 1999).data, outcome.data) << "chunks that are no whole blocks";
  EXPECT_EQ(Packet({atapi::kRead12, 0, 0, 0, 0, 40, 0, 0, 0, 20}).data, outcome.data);
}

TEST_F(AtapiTest, BlocksAreReadByDma) {
  PutTable({{kPage, 4096, true}});
  Send(Read10(7, 2), true, 0);
  StartDma(true);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  EXPECT_EQ(Get(ata::kCount), 3);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{kPage}), 7);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{kPage + 4095}), 9);
  StopDma();
  PutTable({{kPage, 512, true}});
  Send({atapi::kInquiry, 0, 0, 0, 36}, true, 0);
  StartDma(true);
  EXPECT_EQ(WaitForInterrupt(), 0x50);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{kPage}), 0x05);
}

TEST_F(AtapiTest, WhatIsNotOnTheDiscIsRefused) {
  for (const auto& packet : {Read10(100, 1), Read10(99, 2), Read10(0xffffffff, 0xffff)}) {
    EXPECT_EQ(Packet(packet).status, 0x51);
    EXPECT_EQ(Get(ata::kError), 0x54);
    EXPECT_EQ(SenseOf(), std::pair(5U, 0x21U));
  }
  EXPECT_EQ(SenseOf(), std::pair(0U, 0U)) << "it is told once";
  EXPECT_EQ(Packet(Read10(99, 1)).data.size(), 2048U);
  EXPECT_EQ(Packet(Read10(0, 0)).status, 0x50);
}

TEST_F(AtapiTest, WritesAndOtherPacketsAreUnknown) {
  for (const unsigned code : {0x2aU, 0x04U, 0x1aU, 0xbeU, 0xffU}) {
    EXPECT_EQ(Packet({static_cast<std::uint8_t>(code)}).status, 0x51) << code;
    EXPECT_EQ(SenseOf(), std::pair(5U, 0x20U));
  }
}

TEST_F(AtapiTest, AReadErrorIsTheMediums) {
  image_->SetVerdict([](const DiskOperation&) { return EIO; });
  EXPECT_EQ(Packet(Read10(0, 1)).status, 0x51);
  EXPECT_EQ(SenseOf(), std::pair(3U, 0x11U));
}

TEST_F(AtapiTest, RepliesAreAsLongAsTheGuestHasRoomFor) {
  EXPECT_EQ(Packet({atapi::kInquiry, 0, 0, 0, 5}).data.size(), 5U);
  EXPECT_EQ(Packet({atapi::kInquiry, 0, 0, 0, 255}).data.size(), 36U);
  EXPECT_EQ(Packet({atapi::kInquiry, 0, 0, 0, 0}).data.size(), 0U);
  EXPECT_EQ(Packet({atapi::kInquiry, 0, 0, 0, 35}, 3).data.size(), 35U);
  EXPECT_EQ(Packet({atapi::kInquiry, 1, 0, 0, 36}).status, 0x51) << "vital product data";
}

TEST_F(AtapiTest, SaysWhatLinuxAsksFor) {
  const Outcome toc = Packet({atapi::kReadToc, 0, 0, 0, 0, 0, 0, 0, 12});
  ASSERT_EQ(toc.data.size(), 12U);
  EXPECT_EQ(atapi::Get16(toc.data, 0), 18) << "the whole table's length";
  EXPECT_EQ(toc.data[6], 1) << "track 1";
  const Outcome end = Packet({atapi::kReadToc, 0, 0, 0, 0, 0, 0xaa, 0, 12});
  EXPECT_EQ(end.data[6], 0xaa);
  EXPECT_EQ(atapi::Get32(end.data, 8), 100U);
  EXPECT_EQ(Packet({atapi::kReadToc, 0, 0, 0, 0, 0, 2, 0, 12}).status, 0x51) << "no second track";
  const Outcome mode = Packet({atapi::kModeSense10, 0, 0x2a, 0, 0, 0, 0, 0, 128});
  ASSERT_EQ(mode.data.size(), 28U);
  EXPECT_EQ(mode.data[8], 0x2a);
  EXPECT_EQ(Packet({atapi::kModeSense10, 0, 0x0e, 0, 0, 0, 0, 0, 128}).status, 0x51);
  const Outcome events = Packet({atapi::kGetEventStatus, 1, 0, 0, 0x10, 0, 0, 0, 8});
  ASSERT_EQ(events.data.size(), 8U);
  EXPECT_EQ(events.data[2], 4);
  EXPECT_EQ(events.data[5], 2) << "a disc is in";
  const Outcome configuration = Packet({atapi::kGetConfiguration, 2, 0, 0, 0, 0, 0, 0, 16});
  ASSERT_EQ(configuration.data.size(), 16U);
  EXPECT_EQ(atapi::Get16(configuration.data, 6), 8) << "the profile of CD-ROMs";
  for (const std::uint8_t code : {atapi::kPreventAllow, atapi::kStartStop, atapi::kSetSpeed}) {
    EXPECT_EQ(Packet({code}).status, 0x50);
  }
}

TEST_F(AtapiTest, ADeviceResetEndsAPacketUnderWay) {
  image_->Hold(true);
  Send(Read10(0, 1), false, 2048);
  EXPECT_EQ(Status(), ata::kBusy);
  Command(ata::kDeviceReset);
  EXPECT_EQ(Status(), ata::kBusy);
  image_->Hold(false);
  ASSERT_TRUE(testing::Eventually([&] { return (Status() & ata::kBusy) == 0; }));
  EXPECT_EQ(Status(), 0);
  EXPECT_EQ(Get(ata::kLbaHigh), 0xeb);
  EXPECT_EQ(lines_[0].edges(), 0);
  EXPECT_EQ(Packet({atapi::kTestUnitReady}).status, 0x50);
}

}  // namespace
}  // namespace veneer
