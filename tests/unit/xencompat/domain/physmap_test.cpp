#include "veneer/xencompat/domain/physmap.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/xen_guest.h"

namespace veneer {
namespace {

using testing::XenGuest;

TEST(Physmap, BallooningUnderAPageOfOursTakesBoth) {
  XenGuest guest;
  Physmap& map = guest.domain->physmap();
  ASSERT_TRUE(map.MapSharedInfo(0, Gfn{7}));
  EXPECT_TRUE(map.Release(Gfn{7}));
  EXPECT_FALSE(guest.memory->HasOverlay(Gfn{7}.Address()));
  EXPECT_EQ(map.populated_pages(), XenGuest::kRamPages - 1);
  EXPECT_FALSE(map.Release(Gfn{7}));
}

TEST(Physmap, PopulateTakesAPageOfOursAway) {
  XenGuest guest;
  Physmap& map = guest.domain->physmap();
  ASSERT_TRUE(map.MapGrantFrame(0, Gfn{7}));
  EXPECT_TRUE(map.Populate(Gfn{7}));
  EXPECT_FALSE(guest.memory->HasOverlay(Gfn{7}.Address()));
  EXPECT_EQ(map.populated_pages(), XenGuest::kRamPages);
}

TEST(Physmap, WhatAGuestWritesToABalloonedFrameIsGoneWhenItIsPopulated) {
  XenGuest guest;
  Physmap& map = guest.domain->physmap();
  ASSERT_TRUE(map.Release(Gfn{7}));
  ASSERT_TRUE(guest.memory->Write<std::uint32_t>(Gfn{7}.Address(), 0xdead));
  ASSERT_TRUE(map.Populate(Gfn{7}));
  EXPECT_EQ(guest.memory->Read<std::uint32_t>(Gfn{7}.Address()), 0U);
}

TEST(Physmap, ReleasedMemoryIsReallyGivenBack) {
  XenGuest guest;
  Physmap& map = guest.domain->physmap();
  const std::span<std::byte> page = guest.memory->Pin(Gfn{7}.Address(), kPageSize);
  page[0] = std::byte{1};
  ASSERT_TRUE(map.Release(Gfn{7}));
  EXPECT_EQ(page[0], std::byte{0});
}

TEST(Physmap, BallooningFreesThePagesOfTheHost) {
  constexpr std::uint64_t kPages = 64;
  auto memory = std::move(*GuestMemory::CreateFlat(kPages * kPageSize));
  Metrics metrics;
  auto grants = std::move(*GrantTable::Create(*memory, metrics, {}));
  auto shared_info = std::move(*SharedPages::Create(1));
  const GuestMemory::Range ram[] = {{Gpa{0}, kPages * kPageSize}};
  Physmap map(*memory, shared_info, *grants, ram);
  const auto host_bytes = [&memory] { return memory->ResidentBytes(); };
  ASSERT_TRUE(memory->Fill(Gpa{0}, kPages * kPageSize, std::byte{1}));
  EXPECT_EQ(host_bytes(), kPages * kPageSize);
  for (std::uint64_t i = 1; i < kPages; ++i) {
    ASSERT_TRUE(map.Release(Gfn{i}));
  }
  EXPECT_EQ(host_bytes(), kPageSize);
  for (std::uint64_t i = 1; i < kPages; ++i) {
    ASSERT_TRUE(map.Populate(Gfn{i}));
  }
  EXPECT_EQ(host_bytes(), kPageSize) << "the host gives a page when it is used";
  EXPECT_EQ(map.populated_pages(), kPages);
}

TEST(Physmap, FramesAtTheEndOfTheAddressSpace) {
  XenGuest guest;
  Physmap& map = guest.domain->physmap();
  for (const std::uint64_t gfn : {std::uint64_t{1} << 52, (std::uint64_t{1} << 52) - 1,
                                  ~std::uint64_t{0}, XenGuest::kRamPages}) {
    EXPECT_FALSE(map.Release(Gfn{gfn}));
    EXPECT_FALSE(map.Populate(Gfn{gfn}));
    EXPECT_FALSE(map.IsRam(Gfn{gfn}));
    EXPECT_FALSE(map.MapSharedInfo(0, Gfn{gfn}));
    EXPECT_FALSE(map.MapGrantFrame(0, Gfn{gfn}));
    EXPECT_FALSE(map.Remove(Gfn{gfn}));
  }
}

TEST(Physmap, LeavesTheMemoryWithoutPagesOfOurs) {
  auto memory = std::move(*GuestMemory::CreateFlat(16 * kPageSize));
  Metrics metrics;
  auto grants = std::move(*GrantTable::Create(*memory, metrics, {}));
  auto shared_info = std::move(*SharedPages::Create(1));
  const GuestMemory::Range ram[] = {{Gpa{0}, 16 * kPageSize}};
  {
    Physmap map(*memory, shared_info, *grants, ram);
    ASSERT_TRUE(map.MapSharedInfo(0, Gfn{1}));
    ASSERT_TRUE(map.MapGrantFrame(0, Gfn{2}));
  }
  EXPECT_FALSE(memory->HasOverlay(Gfn{1}.Address()));
  EXPECT_FALSE(memory->HasOverlay(Gfn{2}.Address()));
}

// A domain of 4 MiB that may have a piece more, and room for several.
class GrowingPhysmap : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kPages = 1024;
  static constexpr std::uint64_t kPiece = GuestMemory::kPieceSize / kPageSize;  // frames

  GrowingPhysmap() { map_.SetMaximum(kPages + kPiece); }

  Metrics metrics_;
  const GuestMemory::Range range_{Gpa{0}, kPages* kPageSize, 4 * GuestMemory::kPieceSize};
  std::unique_ptr<GuestMemory> memory_ =
      GuestMemory::Create(std::span(&range_, 1), {.most_pieces = 2}).value();
  std::unique_ptr<GrantTable> grants_ = GrantTable::Create(*memory_, metrics_, {}).value();
  SharedPages shared_info_ = SharedPages::Create(1).value();
  Physmap map_{*memory_, shared_info_, *grants_, std::span(&range_, 1)};
};

TEST_F(GrowingPhysmap, FramesOutsideTheBootsRamBecomeRam) {
  const Gfn frame{kPiece + 7};
  EXPECT_FALSE(map_.IsRam(frame));
  EXPECT_FALSE(memory_->Write<std::uint32_t>(frame.Address(), 1));
  EXPECT_TRUE(map_.Populate(frame));
  EXPECT_TRUE(map_.IsRam(frame));
  EXPECT_FALSE(map_.IsRam(Gfn{kPiece + 8})) << "its neighbour is in the same piece, but not given";
  EXPECT_EQ(map_.populated_pages(), kPages + 1);
  EXPECT_EQ(map_.HighestFrame(), Gfn{2 * kPiece - 1});
  EXPECT_TRUE(memory_->Write<std::uint32_t>(frame.Address(), 1));
  ASSERT_TRUE(map_.Release(frame));
  EXPECT_EQ(map_.populated_pages(), kPages);
  EXPECT_EQ(memory_->Read<std::uint32_t>(frame.Address()), 0U);
  EXPECT_TRUE(map_.Populate(frame));
}

TEST_F(GrowingPhysmap, NoFramesBesideWholePiecesOrBeyondTheRoom) {
  EXPECT_FALSE(map_.Populate(Gfn{kPages})) << "behind the RAM, before the first whole piece";
  EXPECT_FALSE(map_.Populate(Gfn{kPiece - 1}));
  EXPECT_FALSE(map_.Populate(Gfn{5 * kPiece}));
  EXPECT_FALSE(map_.Populate(Gfn{~std::uint64_t{0}}));
  EXPECT_EQ(map_.populated_pages(), kPages);
}

TEST_F(GrowingPhysmap, NeitherThePagesNorThePiecesGoBeyondTheirLimit) {
  for (std::uint64_t i = 0; i < kPiece; ++i) {
    ASSERT_TRUE(map_.Populate(Gfn{kPiece + i}));
  }
  EXPECT_FALSE(map_.Populate(Gfn{2 * kPiece})) << "the reservation is used up";
  ASSERT_TRUE(map_.Release(Gfn{5}));
  ASSERT_TRUE(map_.Release(Gfn{6}));
  EXPECT_TRUE(map_.Populate(Gfn{2 * kPiece}));
  EXPECT_FALSE(map_.Populate(Gfn{3 * kPiece})) << "a third piece";
}

TEST_F(GrowingPhysmap, PagesOfOursLieThereToo) {
  const Gfn frame{kPiece};
  EXPECT_FALSE(map_.MapSharedInfo(0, frame));
  ASSERT_TRUE(map_.Populate(Gfn{kPiece + 1}));
  EXPECT_TRUE(map_.MapSharedInfo(0, frame)) << "a frame that is not RAM, of a piece that is there";
  EXPECT_TRUE(map_.Populate(frame));
  EXPECT_FALSE(memory_->HasOverlay(frame.Address()));
}

TEST_F(GrowingPhysmap, ANewKernelFindsWhatTheOldOneHasAdded) {
  ASSERT_TRUE(map_.Populate(Gfn{kPiece}));
  ASSERT_TRUE(memory_->Write<std::uint32_t>(Gfn{kPiece}.Address(), 0x600d));
  ASSERT_TRUE(map_.Release(Gfn{3}));
  map_.StartOver();
  EXPECT_EQ(map_.populated_pages(), kPages + 1);
  EXPECT_TRUE(map_.IsRam(Gfn{3}));
  EXPECT_EQ(memory_->Read<std::uint32_t>(Gfn{kPiece}.Address()), 0x600dU);
  EXPECT_TRUE(map_.Populate(Gfn{kPiece})) << "adding it anew";
  EXPECT_EQ(map_.populated_pages(), kPages + 1);
  EXPECT_EQ(memory_->Read<std::uint32_t>(Gfn{kPiece}.Address()), 0U);
}

TEST(PhysmapStress, VcpusThatDoEverythingAtOnce) {
  XenGuest guest;
  Physmap& map = guest.domain->physmap();
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    threads.emplace_back([&map, seed] {
      for (std::uint64_t i = 0; i < 200; ++i) {
        const Gfn gfn{(i * 7 + seed * 3) % 8};
        switch ((i + seed) % 5) {
          case 0:
            static_cast<void>(map.MapSharedInfo(0, gfn));
            break;
          case 1:
            static_cast<void>(map.MapGrantFrame(i % 3, gfn));
            break;
          case 2:
            map.Release(gfn);
            break;
          case 3:
            map.Populate(gfn);
            break;
          default:
            static_cast<void>(map.Remove(gfn));
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::uint64_t ram = 0;
  for (std::uint64_t gfn = 0; gfn < XenGuest::kRamPages; ++gfn) {
    ram += map.IsRam(Gfn{gfn}) ? 1U : 0U;
  }
  EXPECT_EQ(ram, map.populated_pages());
}

}  // namespace
}  // namespace veneer
