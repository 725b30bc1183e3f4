#include "src/devices/ide/bus_master.h"

#include "ide_fixture.h"

namespace veneer {
namespace {

class BusMasterTest : public ::testing::Test {
 protected:
  void Put(std::uint64_t at, std::uint32_t address, std::uint32_t length_and_end) {
    ASSERT_TRUE(memory_->Write(Gpa{at}, std::array<std::uint32_t, 2>{address, length_and_end}));
  }
  void Start(std::uint32_t table, std::uint8_t command = bmide::kStart | bmide::kToMemory) {
    master_.Write(bmide::kCommand, 0);
    for (unsigned i = 0; i < 4; ++i) {
      master_.Write(bmide::kTable + i, static_cast<std::uint8_t>(table >> (8 * i)));
    }
    master_.Write(bmide::kCommand, command);
  }
  std::uint64_t OffsetOf(const iovec& part) const {
    return static_cast<std::uint64_t>(static_cast<std::byte*>(part.iov_base) -
                                      memory_->Pin(Gpa{0}, 1).data());
  }

  static constexpr std::uint64_t kBytes = std::uint64_t{4} << 20U;
  std::unique_ptr<GuestMemory> memory_ = GuestMemory::CreateFlat(kBytes).value();
  BusMaster master_{*memory_};
  std::vector<iovec> buffers_;
  std::uint64_t taken_ = 0;
};

constexpr std::uint32_t kEnd = 0x80000000;

TEST_F(BusMasterTest, RegistersKeepWhatTheyAreMeantTo) {
  Start(0x12345677, 0xff);
  EXPECT_EQ(master_.Read(bmide::kCommand), 0x09);
  EXPECT_EQ(master_.Read(bmide::kTable), 0x74);
  EXPECT_EQ(master_.Read(bmide::kTable + 3), 0x12);
  EXPECT_EQ(master_.Read(bmide::kStatus), bmide::kActive);
  EXPECT_EQ(master_.Read(1), 0);
  master_.OnInterrupt();
  master_.Write(bmide::kStatus, 0x60);
  EXPECT_EQ(master_.Read(bmide::kStatus), 0x60 | bmide::kActive | bmide::kInterrupt);
  master_.Write(bmide::kStatus, bmide::kInterrupt);
  EXPECT_EQ(master_.Read(bmide::kStatus), bmide::kActive);
  master_.Write(bmide::kCommand, 0);
  EXPECT_EQ(master_.Read(bmide::kStatus), 0);
}

TEST_F(BusMasterTest, RegionsThatContinueBecomeOneBuffer) {
  Put(0x1000, 0x10000, 0x200);
  Put(0x1008, 0x10200, 0x200);
  Put(0x1010, 0x20000, 0x400 | kEnd);
  Start(0x1000);
  ASSERT_TRUE(master_.Take(0x800, buffers_, taken_));
  ASSERT_EQ(buffers_.size(), 2U);
  EXPECT_EQ(OffsetOf(buffers_[0]), 0x10000U);
  EXPECT_EQ(buffers_[0].iov_len, 0x400U);
  EXPECT_EQ(OffsetOf(buffers_[1]), 0x20000U);
  EXPECT_EQ(taken_, 0x800U);
  master_.End(false);
  EXPECT_FALSE(master_.active()) << "the table is used up";
}

TEST_F(BusMasterTest, ATableThatIsLongerThanTheTransferStaysActive) {
  Put(0x1000, 0x10000, 0x400 | kEnd);
  Start(0x1000);
  ASSERT_TRUE(master_.Take(0x200, buffers_, taken_));
  master_.End(false);
  EXPECT_TRUE(master_.active());
}

TEST_F(BusMasterTest, NoLengthIsSixtyFourKilobytes) {
  Put(0x1000, 0x10000, kEnd);
  Start(0x1000);
  ASSERT_TRUE(master_.Take(0x10000, buffers_, taken_));
  EXPECT_EQ(taken_, 0x10000U);
  EXPECT_FALSE(master_.Take(0x200, buffers_, taken_)) << "nothing is left";
}

TEST_F(BusMasterTest, PiecesAreWholeSectorsHoweverSmallTheRegions) {
  // A full window of two-byte regions: 8192 of them, 16 KiB.
  for (std::uint32_t i = 0; i < 8192; ++i) {
    Put(0x10000 + 8 * i, 0x100000 + 8 * i, 2);
  }
  Start(0x10000);
  std::uint64_t total = 0;
  while (total < 8192 * 2) {
    ASSERT_TRUE(master_.Take(32768, buffers_, taken_));
    ASSERT_GT(taken_, 0U);
    ASSERT_EQ(taken_ % 512, 0U);
    ASSERT_LE(buffers_.size(), 2 * BusMaster::kMaxBuffers);
    total += taken_;
  }
  EXPECT_EQ(total, 8192U * 2);
  EXPECT_FALSE(master_.Take(512, buffers_, taken_)) << "the window ends where the table does not";
}

TEST_F(BusMasterTest, LargeTransfersComeInPieces) {
  for (std::uint32_t i = 0; i < 64; ++i) {
    Put(0x1000 + 8 * i, i * 0x10000, 0);
  }
  Start(0x1000);
  ASSERT_TRUE(master_.Take(4 << 20U, buffers_, taken_));
  EXPECT_EQ(taken_, BusMaster::kMaxPiece);
  EXPECT_EQ(buffers_.size(), 1U);
}

TEST_F(BusMasterTest, WhatIsNotMemoryIsRefused) {
  Put(0x1000, static_cast<std::uint32_t>(kBytes - 0x100), 0x200 | kEnd);
  Start(0x1000);
  EXPECT_FALSE(master_.Take(0x200, buffers_, taken_));
  Put(0x1000, 0xfffffffe, 0x200 | kEnd);
  Start(0x1000);
  EXPECT_FALSE(master_.Take(0x200, buffers_, taken_));
  Start(0xfffffffc);
  EXPECT_FALSE(master_.Take(0x200, buffers_, taken_)) << "a table outside memory";
  std::array<std::byte, 16> bytes{};
  EXPECT_FALSE(master_.CopyTo(bytes));
  EXPECT_FALSE(master_.CopyFrom(bytes));
  master_.End(true);
  EXPECT_EQ(master_.Read(bmide::kStatus), bmide::kFailed);
}

TEST_F(BusMasterTest, ATableMovedWhileItIsWalkedStaysWithinItsWindow) {
  Put(0x1000, 0x10000, 0x200);
  Start(0x1000);
  ASSERT_TRUE(master_.Take(0x200, buffers_, taken_));
  master_.Write(bmide::kTable + 2, 0x20);
  Put(0x1008, 0x30000, 0x200 | kEnd);
  ASSERT_TRUE(master_.Take(0x200, buffers_, taken_));
  EXPECT_EQ(OffsetOf(buffers_[0]), 0x30000U);
}

TEST_F(BusMasterTest, CopiesAcrossRegions) {
  Put(0x1000, 0x10000, 6);
  Put(0x1008, 0x20000, 0x10 | kEnd);
  const std::array<std::uint8_t, 12> data{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  Start(0x1000);
  ASSERT_TRUE(master_.CopyTo(std::as_bytes(std::span(data))));
  std::array<std::uint8_t, 12> back{};
  Start(0x1000, bmide::kStart);
  ASSERT_TRUE(master_.CopyFrom(std::as_writable_bytes(std::span(back))));
  EXPECT_EQ(back, data);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{0x20000}), 7);
}

}  // namespace
}  // namespace veneer
