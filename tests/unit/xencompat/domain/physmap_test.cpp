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
