#include "veneer/vmm/memory/guest_memory.h"

#include <array>
#include <limits>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace veneer {
namespace {

constexpr std::uint64_t kTop = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kLow = 16 * kPageSize;
constexpr std::uint64_t kHighBase = 0x100000000;
constexpr std::uint64_t kHigh = 4 * kPageSize;

// RAM as a machine has it: one part at 0, one above a hole.
class GuestMemoryTest : public ::testing::TestWithParam<MemoryBacking> {
 protected:
  void SetUp() override {
    const std::array ranges{GuestMemory::Range{Gpa{0}, kLow},
                            GuestMemory::Range{Gpa{kHighBase}, kHigh}};
    auto memory = GuestMemory::Create(ranges, {.backing = GetParam()});
    ASSERT_TRUE(memory);
    memory_ = std::move(*memory);
  }
  std::unique_ptr<GuestMemory> memory_;
};
INSTANTIATE_TEST_SUITE_P(Backings, GuestMemoryTest,
                         ::testing::Values(MemoryBacking::kAnonymous, MemoryBacking::kMemfd));

TEST_P(GuestMemoryTest, RegionsAreWhatWasAskedFor) {
  ASSERT_EQ(memory_->regions().size(), 2U);
  EXPECT_EQ(memory_->regions()[0].base, Gpa{0});
  EXPECT_EQ(memory_->regions()[0].size, kLow);
  EXPECT_EQ(memory_->regions()[1].base, Gpa{kHighBase});
  EXPECT_EQ(memory_->regions()[1].size, kHigh);
  EXPECT_EQ(memory_->TotalBytes(), kLow + kHigh);
}

// Else neither this process nor KVM can have huge pages of it, whatever the host allows.
TEST(GuestMemoryPlacesTest, RegionsLieAlikeInHugePagesEverywhere) {
  constexpr std::uint64_t kHuge = 2U << 20U;
  const std::array ranges{GuestMemory::Range{Gpa{0}, 0xa0000},
                          GuestMemory::Range{Gpa{0x100000}, 5 * kPageSize},
                          GuestMemory::Range{Gpa{kHighBase + kPageSize}, 3 * kHuge}};
  const auto memory = GuestMemory::Create(ranges, GuestMemory::Options{}).value();
  for (const MemoryRegion& region : memory->regions()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(region.host) % kHuge, region.base.value % kHuge);
  }
}

// A page of one region is no page of another, in a memory file either.
TEST(GuestMemoryPlacesTest, RegionsOfAFileLieApart) {
  const std::array ranges{GuestMemory::Range{Gpa{0}, 3 * kPageSize},
                          GuestMemory::Range{Gpa{0x100000}, 5 * kPageSize}};
  const auto memory = GuestMemory::Create(ranges, {.backing = MemoryBacking::kMemfd}).value();
  ASSERT_TRUE(memory->Fill(Gpa{0}, 3 * kPageSize, std::byte{1}));
  ASSERT_TRUE(memory->Fill(Gpa{0x100000}, 5 * kPageSize, std::byte{2}));
  EXPECT_EQ(memory->Read<std::uint8_t>(Gpa{0}), 1);
  EXPECT_EQ(memory->Read<std::uint8_t>(Gpa{3 * kPageSize - 1}), 1);
}

TEST_P(GuestMemoryTest, StartsAsZeros) {
  EXPECT_EQ(memory_->Read<std::uint64_t>(Gpa{0}), 0U);
  EXPECT_EQ(memory_->Read<std::uint64_t>(Gpa{kHighBase + kHigh - 8}), 0U);
}

TEST_P(GuestMemoryTest, ReadsBackWhatWasWrittenInEachRegion) {
  for (const std::uint64_t at :
       {std::uint64_t{0}, kPageSize - 3, kLow - 4, kHighBase, kHighBase + 1}) {
    ASSERT_TRUE(memory_->Write<std::uint32_t>(Gpa{at}, 0xdeadbeef)) << at;
    EXPECT_EQ(memory_->Read<std::uint32_t>(Gpa{at}), 0xdeadbeefU) << at;
  }
}

TEST_P(GuestMemoryTest, CopiesThatLeaveRamFailWhole) {
  for (const std::uint64_t at : {kLow - 3, kLow, kHighBase - 1, kHighBase - 4,
                                 kHighBase + kHigh - 3, kHighBase + kHigh, kTop, kTop - 3}) {
    EXPECT_FALSE(memory_->Read<std::uint32_t>(Gpa{at})) << at;
    EXPECT_FALSE(memory_->Write<std::uint32_t>(Gpa{at}, ~0U)) << at;
    EXPECT_FALSE(memory_->Fill(Gpa{at}, 4, std::byte{1})) << at;
    EXPECT_TRUE(memory_->Pin(Gpa{at}, 4).empty()) << at;
  }
  // Nothing was written of those that begin in RAM.
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{kLow - 1}), 0U);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{kHighBase + kHigh - 1}), 0U);
}

TEST_P(GuestMemoryTest, LengthsThatWrapAroundAreOutside) {
  EXPECT_TRUE(memory_->Pin(Gpa{8}, kTop).empty());
  EXPECT_TRUE(memory_->Pin(Gpa{8}, kTop - 7).empty());
  EXPECT_TRUE(memory_->Pin(Gpa{kHighBase}, kTop - kHighBase + 2).empty());
  EXPECT_FALSE(memory_->Fill(Gpa{kPageSize}, kTop - 100, std::byte{1}));
}

TEST_P(GuestMemoryTest, EmptyCopiesTouchNothingAndSucceedAnywhere) {
  EXPECT_TRUE(memory_->ReadBytes(Gpa{kTop}, {}));
  EXPECT_TRUE(memory_->WriteBytes(Gpa{kTop}, {}));
  EXPECT_TRUE(memory_->Fill(Gpa{kTop}, 0, std::byte{1}));
  EXPECT_TRUE(memory_->Pin(Gpa{0}, 0).empty());
}

TEST_P(GuestMemoryTest, PinSeesTheGuestsBytes) {
  const std::span<std::byte> pinned = memory_->Pin(Gpa{kPageSize - 2}, 4);
  ASSERT_EQ(pinned.size(), 4U);
  ASSERT_TRUE(memory_->Write<std::uint32_t>(Gpa{kPageSize - 2}, 0x04030201));
  EXPECT_EQ(pinned[0], std::byte{1});
  EXPECT_EQ(pinned[3], std::byte{4});
  pinned[0] = std::byte{9};
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{kPageSize - 2}), 9);
}

TEST_P(GuestMemoryTest, PinMayBeAWholeRegionButNotMore) {
  EXPECT_EQ(memory_->Pin(Gpa{0}, kLow).size(), kLow);
  EXPECT_TRUE(memory_->Pin(Gpa{0}, kLow + 1).empty());
  EXPECT_TRUE(memory_->Pin(Gpa{1}, kLow).empty());
}

TEST_P(GuestMemoryTest, FillStaysInItsBounds) {
  ASSERT_TRUE(memory_->Fill(Gpa{100}, 3, std::byte{0x5a}));
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{99}), 0);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{100}), 0x5a);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{102}), 0x5a);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{103}), 0);
}

TEST_P(GuestMemoryTest, DiscardedPagesReadAsZeros) {
  ASSERT_TRUE(memory_->Fill(Gpa{0}, kLow, std::byte{7}));
  EXPECT_TRUE(memory_->DiscardPage(Gfn{3}));
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{3 * kPageSize - 1}), 7);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{3 * kPageSize}), 0);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{4 * kPageSize - 1}), 0);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{4 * kPageSize}), 7);
  // And can be used again.
  ASSERT_TRUE(memory_->Write<std::uint8_t>(Gpa{3 * kPageSize}, 1));
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{3 * kPageSize}), 1);
}

TEST_P(GuestMemoryTest, DiscardHitsThePageOfTheRightRegion) {
  ASSERT_TRUE(memory_->Fill(Gpa{0}, kLow, std::byte{7}));
  ASSERT_TRUE(memory_->Fill(Gpa{kHighBase}, kHigh, std::byte{8}));
  EXPECT_TRUE(memory_->DiscardPage(Gfn::Of(Gpa{kHighBase + kPageSize})));
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{kHighBase}), 8);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{kHighBase + kPageSize}), 0);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{kPageSize}), 7);
}

TEST_P(GuestMemoryTest, DiscardRefusesWhatIsNoRam) {
  EXPECT_FALSE(memory_->DiscardPage(Gfn{kLow / kPageSize}));
  EXPECT_FALSE(memory_->DiscardPage(Gfn{kTop}));
  // A frame whose address would wrap around to RAM.
  EXPECT_FALSE(memory_->DiscardPage(Gfn{(std::uint64_t{1} << 52U) + 1}));
}

TEST_P(GuestMemoryTest, OnlyWhatWasUsedAndNotGivenBackIsResident) {
  EXPECT_EQ(memory_->ResidentBytes(), 0U);
  ASSERT_TRUE(memory_->Fill(Gpa{0}, kLow, std::byte{7}));
  ASSERT_TRUE(memory_->Write<std::uint8_t>(Gpa{kHighBase}, 1));
  EXPECT_EQ(memory_->ResidentBytes(), kLow + kPageSize);
  EXPECT_TRUE(memory_->DiscardPage(Gfn{3}));
  EXPECT_EQ(memory_->ResidentBytes(), kLow);
}

TEST_P(GuestMemoryTest, SharedWordIsTheGuestsMemory) {
  const std::span<std::byte> bytes = memory_->Pin(Gpa{64}, sizeof(std::uint32_t));
  SharedWord<std::uint32_t>(bytes.data()).fetch_or(0x10);
  EXPECT_EQ(memory_->Read<std::uint32_t>(Gpa{64}), 0x10U);
}

TEST_P(GuestMemoryTest, CopiesMayRaceWithTheGuest) {
  std::thread guest([&] {
    for (std::uint32_t i = 0; i < 10000; ++i) {
      static_cast<void>(memory_->Write<std::uint32_t>(Gpa{128}, i * 0x01010101U));
    }
  });
  for (int i = 0; i < 10000; ++i) {
    EXPECT_TRUE(memory_->Read<std::uint32_t>(Gpa{128}));
  }
  guest.join();
}

// RAM of 16 pages with room for two pieces behind it, and room alone above a hole.
class GrowingMemoryTest : public ::testing::TestWithParam<MemoryBacking>, protected MemorySlots {
 protected:
  static constexpr std::uint64_t kPiece = GuestMemory::kPieceSize;

  Result<void> AddSlot(const MemoryRegion& region) override {
    if (refuses_) {
      return HostError("no more");
    }
    slots_.push_back(region);
    return {};
  }
  void SetUp() override {
    const std::array ranges{GuestMemory::Range{Gpa{0}, kLow, 3 * kPiece - kLow},
                            GuestMemory::Range{Gpa{kHighBase}, 0, 2 * kPiece}};
    memory_ =
        GuestMemory::Create(ranges, {.backing = GetParam(), .huge_pages = false, .most_pieces = 3})
            .value();
    ASSERT_TRUE(memory_->ShowTo(*this));
  }

  bool refuses_ = false;
  std::vector<MemoryRegion> slots_;
  std::unique_ptr<GuestMemory> memory_;
};
INSTANTIATE_TEST_SUITE_P(Backings, GrowingMemoryTest,
                         ::testing::Values(MemoryBacking::kAnonymous, MemoryBacking::kMemfd));

TEST_P(GrowingMemoryTest, RoomIsNoRam) {
  EXPECT_EQ(slots_.size(), 1U);
  EXPECT_EQ(memory_->TotalBytes(), kLow);
  for (const std::uint64_t at : {kLow, kPiece, kPiece + 4096, kHighBase}) {
    EXPECT_TRUE(memory_->Pin(Gpa{at}, 1).empty()) << at;
    EXPECT_FALSE(memory_->DiscardPage(Gfn::Of(Gpa{at})));
  }
  EXPECT_TRUE(memory_->Pin(Gpa{kLow - 1}, 2).empty());
  EXPECT_EQ(memory_->ResidentBytes(), 0U);
}

TEST_P(GrowingMemoryTest, APieceIsRamThatTheGuestIsShown) {
  const auto piece = memory_->Grow(Gpa{kPiece + 12345});
  ASSERT_TRUE(piece);
  EXPECT_EQ(piece->base, Gpa{kPiece});
  EXPECT_EQ(piece->size, kPiece);
  ASSERT_EQ(slots_.size(), 2U);
  EXPECT_EQ(slots_[1].base, Gpa{kPiece});
  EXPECT_EQ(slots_[1].host, memory_->Pin(Gpa{kPiece}, kPiece).data());
  EXPECT_EQ(memory_->Read<std::uint32_t>(Gpa{2 * kPiece - 4}), 0U);
  EXPECT_TRUE(memory_->Write<std::uint32_t>(Gpa{2 * kPiece - 4}, 7));
  EXPECT_EQ(memory_->Read<std::uint32_t>(Gpa{2 * kPiece - 4}), 7U);
  EXPECT_FALSE(memory_->Read<std::uint32_t>(Gpa{2 * kPiece - 2})) << "half of it outside";
  EXPECT_TRUE(memory_->DiscardPage(Gfn::Of(Gpa{2 * kPiece - 4})));
  EXPECT_EQ(memory_->ResidentBytes(), 0U);
}

TEST_P(GrowingMemoryTest, WhatCrossesPiecesIsInOnePlace) {
  ASSERT_TRUE(memory_->Grow(Gpa{2 * kPiece}));
  EXPECT_FALSE(memory_->Write<std::uint64_t>(Gpa{2 * kPiece - 4}, 1));
  ASSERT_TRUE(memory_->Grow(Gpa{kPiece}));
  EXPECT_TRUE(memory_->Write<std::uint64_t>(Gpa{2 * kPiece - 4}, 0x1122334455667788));
  EXPECT_EQ(memory_->Read<std::uint32_t>(Gpa{2 * kPiece}), 0x11223344U);
  EXPECT_EQ(memory_->Pin(Gpa{kPiece}, 2 * kPiece).size(), 2 * kPiece);
  EXPECT_TRUE(memory_->Pin(Gpa{0}, 2 * kPiece).empty()) << "a gap behind the RAM";
}

TEST_P(GrowingMemoryTest, OnlyWholePiecesOfRoomOnceAndNotTooMany) {
  EXPECT_FALSE(memory_->Grow(Gpa{0}));
  EXPECT_FALSE(memory_->Grow(Gpa{kLow}));
  EXPECT_FALSE(memory_->Grow(Gpa{3 * kPiece}));
  EXPECT_FALSE(memory_->Grow(Gpa{kTop}));
  EXPECT_TRUE(memory_->Grow(Gpa{kHighBase + kPiece}));
  EXPECT_FALSE(memory_->Grow(Gpa{kHighBase + kPiece}));
  EXPECT_TRUE(memory_->Grow(Gpa{kHighBase}));
  EXPECT_TRUE(memory_->Grow(Gpa{kPiece}));
  EXPECT_FALSE(memory_->Grow(Gpa{2 * kPiece}));
  EXPECT_EQ(slots_.size(), 4U);
}

TEST_P(GrowingMemoryTest, WhatTheHostRefusesIsNotThere) {
  refuses_ = true;
  EXPECT_FALSE(memory_->Grow(Gpa{kPiece}));
  EXPECT_TRUE(memory_->Pin(Gpa{kPiece}, 1).empty());
  refuses_ = false;
  EXPECT_TRUE(memory_->Grow(Gpa{kPiece}));
}

TEST(GuestMemory, MoreThanTheAddressSpaceIsAHostError) {
  const GuestMemory::Range range{Gpa{0}, std::uint64_t{1} << 62U};
  const auto memory = GuestMemory::Create(std::span(&range, 1), GuestMemory::Options{});
  ASSERT_FALSE(memory);
  EXPECT_EQ(memory.error().kind, ErrorKind::kHost);
}

TEST(Gpa, PageArithmetic) {
  EXPECT_EQ(Gpa{0x12345}.PageOffset(), 0x345U);
  EXPECT_EQ(Gpa{0x12345}.PageBase(), Gpa{0x12000});
  EXPECT_EQ(Gfn::Of(Gpa{0x12fff}), Gfn{0x12});
  EXPECT_EQ(Gfn{0x12}.Address(), Gpa{0x12000});
  EXPECT_EQ(Gpa{kTop} + 2, Gpa{1});
  EXPECT_TRUE(Gfn{(std::uint64_t{1} << 52U) - 1}.Addressable());
  EXPECT_FALSE(Gfn{std::uint64_t{1} << 52U}.Addressable());
}

}  // namespace
}  // namespace veneer
