// The probe of Linux's ata_piix and libata (drivers/ata), step by step.

#include "ide_fixture.h"

namespace veneer {
namespace {

class IdeLinuxTest : public IdeTest {
 protected:
  void SetUp() override {
    AddDrive();
    AddDrive({.cdrom = true}, std::uint64_t{1} << 20U);
    Build();
  }
  bool Present(std::uint64_t port, bool second) {
    Out8(port + ata::kDevice, second ? 0xb0 : 0xa0);
    for (const auto& [count, low] : {std::pair(0x55, 0xaa), {0xaa, 0x55}, {0x55, 0xaa}}) {
      Out8(port + ata::kCount, static_cast<unsigned>(count));
      Out8(port + ata::kLbaLow, static_cast<unsigned>(low));
    }
    return In8(port + ata::kCount) == 0x55 && In8(port + ata::kLbaLow) == 0xaa;
  }
  std::uint32_t Signature(bool second) {
    Set(ata::kDevice, second ? 0xb0 : 0xa0);
    return Get(ata::kError) | Get(ata::kCount) << 8U | Get(ata::kLbaMid) << 16U |
           std::uint32_t{Get(ata::kLbaHigh)} << 24U;
  }
};

TEST_F(IdeLinuxTest, BothChannelsDecodeTheirLegacyPorts) {
  const auto config = [&](unsigned offset) {
    Out32(0xcf8, 0x80000000U | 1U << 11U | 1U << 8U | (offset & 0xfcU));
    return In8(0xcfc + (offset & 3U));
  };
  EXPECT_EQ(config(0x00) | config(0x01) << 8U, 0x8086);
  EXPECT_EQ(config(0x02) | config(0x03) << 8U, 0x7010);
  EXPECT_EQ(config(0x09), 0x80) << "legacy mode, bus master";
  EXPECT_EQ(config(0x41) & 0x80, 0x80);
  EXPECT_EQ(config(0x43) & 0x80, 0x80);
  EXPECT_EQ(config(0x20), 0x01) << "BAR 4 is I/O";
}

TEST_F(IdeLinuxTest, TheSoftwareResetFindsBothDrives) {
  EXPECT_TRUE(Present(0x1f0, false));
  EXPECT_TRUE(Present(0x1f0, true));
  EXPECT_FALSE(Present(0x170, false));
  EXPECT_FALSE(Present(0x170, true));
  EXPECT_EQ(In8(0x376), 0) << "nobody there: not busy";
  Set(ata::kDevice, 0xa0);
  Out8(kControl, 0x08);
  Out8(kControl, 0x08 | ata::kSoftReset);
  EXPECT_EQ(Status(), ata::kBusy);
  Out8(kControl, 0x08);
  EXPECT_EQ(Status() & ata::kBusy, 0);
  EXPECT_EQ(Signature(false), 0x00000101U);
  EXPECT_EQ(Status(), 0x50);
  EXPECT_EQ(Signature(true), 0xeb140101U);
  EXPECT_EQ(Status(), 0) << "a CD-ROM is not ready before its first command";
  EXPECT_EQ(lines_[0].edges(), 0);
}

TEST_F(IdeLinuxTest, DisksAndCdromsAreIdentifiedByPolling) {
  Out8(kControl, 0x08 | ata::kNoInterrupt);
  Set(ata::kDevice, 0xa0);
  Command(ata::kIdentify);
  EXPECT_EQ(Status(), 0x58);
  EXPECT_EQ(ReadData(512)[0], 0x40);
  Set(ata::kDevice, 0xb0);
  Command(ata::kIdentify);
  EXPECT_EQ(Status(), 0x51);
  EXPECT_EQ(Get(ata::kError), ata::kAborted);
  EXPECT_EQ(Get(ata::kLbaMid), 0x14);
  Command(ata::kIdentifyPacket);
  EXPECT_EQ(Status(), 0x58);
  EXPECT_EQ(ReadData(512)[1], 0x85);
  EXPECT_EQ(Status(), 0x50);
  EXPECT_EQ(lines_[0].edges(), 0);
}

TEST_F(IdeLinuxTest, FortyEightBitDmaWithTheInterruptInTheMastersStatus) {
  Set(ata::kDevice, 0xa0);
  FillMemory(kPage, 16 * 512, 5);
  const std::vector<std::byte> data = Memory(kPage, 16 * 512);
  for (const unsigned code : {ata::kWriteDmaExt, ata::kReadDmaExt}) {
    PutTable({{kPage, 4096, false}, {kPage + 4096, 4096, true}});
    Out8(kBusMaster, code == ata::kReadDmaExt ? 0x08 : 0);
    Address48(300, 16);
    Command(code);
    Out8(kBusMaster, In8(kBusMaster) | 1U);
    EXPECT_TRUE(lines_[0].WaitForHigh());
    EXPECT_EQ(DmaStatus() & bmide::kInterrupt, bmide::kInterrupt);
    StopDma();
    EXPECT_EQ(Status(), 0x50);
    EXPECT_EQ(Get(ata::kStatus), 0x50);
    Out8(kBusMaster + bmide::kStatus, DmaStatus());
    EXPECT_EQ(DmaStatus() & bmide::kInterrupt, 0);
    if (code == ata::kWriteDmaExt) {
      FillMemory(kPage, 16 * 512, 99);
    }
  }
  EXPECT_EQ(Memory(kPage, 16 * 512), data);
}

}  // namespace
}  // namespace veneer
