#include <gtest/gtest.h>

#include "boot_test_util.h"
#include "veneer/vmm/boot/e820.h"
#include "veneer/vmm/boot/memory_layout.h"

namespace veneer::testing {
namespace {

constexpr E820Entry Ram(std::uint64_t begin, std::uint64_t end) {
  return {Gpa{begin}, end - begin, E820Type::kRam};
}
constexpr E820Entry Reserved(std::uint64_t begin, std::uint64_t end) {
  return {Gpa{begin}, end - begin, E820Type::kReserved};
}
constexpr E820Entry Acpi(std::uint64_t begin, std::uint64_t end) {
  return {Gpa{begin}, end - begin, E820Type::kAcpiTables};
}

std::vector<E820Entry> MapFor(std::uint64_t mib, std::vector<E820Entry> special = {}) {
  const auto layout = MemoryLayout(mib * kMiB);
  EXPECT_TRUE(layout);
  return BuildE820(*layout, special);
}

using Map = std::vector<E820Entry>;

TEST(MemoryLayout, SmallMemoryIsOneRange) {
  const auto layout = MemoryLayout(32 * kMiB);
  ASSERT_TRUE(layout);
  ASSERT_EQ(layout->size(), 1U);
  EXPECT_EQ((*layout)[0].base, Gpa{0});
  EXPECT_EQ((*layout)[0].size, 32 * kMiB);
}

TEST(MemoryLayout, MemoryUpToTheHoleStaysBelowIt) {
  const auto layout = MemoryLayout(3072 * kMiB);
  ASSERT_TRUE(layout);
  ASSERT_EQ(layout->size(), 1U);
  EXPECT_EQ((*layout)[0].size, 0xc0000000U);
}

TEST(MemoryLayout, TheRestGoesAboveFourGiB) {
  const auto layout = MemoryLayout(3072 * kMiB + kPageSize);
  ASSERT_TRUE(layout);
  ASSERT_EQ(layout->size(), 2U);
  EXPECT_EQ((*layout)[1].base, Gpa{0x100000000});
  EXPECT_EQ((*layout)[1].size, kPageSize);
}

TEST(MemoryLayout, RefusesSizesOutsideTheLimits) {
  EXPECT_THAT(UsageMessage(MemoryLayout(32 * kMiB - kPageSize)),
              ::testing::HasSubstr("at least 32 MiB"));
  EXPECT_THAT(UsageMessage(MemoryLayout(0)), ::testing::HasSubstr("too little"));
  EXPECT_THAT(UsageMessage(MemoryLayout(~std::uint64_t{0})), ::testing::HasSubstr("too much"));
  EXPECT_THAT(UsageMessage(MemoryLayout(64 * kMiB + 1)), ::testing::HasSubstr("pages"));
  EXPECT_TRUE(MemoryLayout(kMaxMemoryBytes));
}

TEST(MemoryLayout, RoomIsBelowTheHoleAndAboveFourGiB) {
  const auto ram = MemoryLayout(512 * kMiB).value();
  const auto ranges = WithRoom(ram, 7680 * kMiB, 46);
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(ranges[0].size, 512 * kMiB);
  EXPECT_EQ(ranges[0].base.value + ranges[0].size + ranges[0].room, kPciHoleBase.value);
  EXPECT_EQ(ranges[1].base, kPciHoleEnd);
  EXPECT_EQ(ranges[1].size, 0U);
  EXPECT_GE(ranges[1].room, 7680 * kMiB);
  EXPECT_EQ(PiecesOf(7680 * kMiB), 60U);
  EXPECT_EQ(PiecesOf(7680 * kMiB + 1), 61U);
}

TEST(MemoryLayout, RoomIsBehindAllOfTheRamIfThatIsLarge) {
  const auto ram = MemoryLayout(5120 * kMiB).value();
  const auto ranges = WithRoom(ram, 1024 * kMiB, 46);
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(ranges[0].room, 0U);
  EXPECT_EQ(ranges[1].size, 2048 * kMiB);
  EXPECT_GE(ranges[1].room, 1024 * kMiB);
}

TEST(MemoryLayout, RoomEndsWithTheAddresses) {
  const auto ram = MemoryLayout(512 * kMiB).value();
  const auto ranges = WithRoom(ram, 1024 * 1024 * kMiB, 36);
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(ranges[1].base.value + ranges[1].room, std::uint64_t{1} << 36U);
  EXPECT_EQ(WithRoom(ram, 1024 * kMiB, 32).size(), 1U);
}

TEST(E820, ReservesTheLegacyArea) {
  EXPECT_EQ(MapFor(32),
            (Map{Ram(0, 0x9fc00), Reserved(0x9fc00, 0x100000), Ram(0x100000, 0x2000000)}));
  EXPECT_EQ(MapFor(256),
            (Map{Ram(0, 0x9fc00), Reserved(0x9fc00, 0x100000), Ram(0x100000, 0x10000000)}));
}

TEST(E820, LeavesTheHoleOut) {
  EXPECT_EQ(MapFor(6144), (Map{Ram(0, 0x9fc00), Reserved(0x9fc00, 0x100000),
                               Ram(0x100000, 0xc0000000), Ram(0x100000000, 0x1c0000000)}));
}

TEST(E820, SpecialRangesCutRamAndMayLieOutsideIt) {
  const Map map = MapFor(256, {Acpi(0xf000000, 0xf010000), Reserved(0xfec00000, 0xfec01000)});
  EXPECT_EQ(map, (Map{Ram(0, 0x9fc00), Reserved(0x9fc00, 0x100000), Ram(0x100000, 0xf000000),
                      Acpi(0xf000000, 0xf010000), Ram(0xf010000, 0x10000000),
                      Reserved(0xfec00000, 0xfec01000)}));
}

TEST(E820, SpecialRangesGoOverTheLegacyArea) {
  EXPECT_EQ(MapFor(32, {Acpi(0xe0000, 0xf0000)}),
            (Map{Ram(0, 0x9fc00), Reserved(0x9fc00, 0xe0000), Acpi(0xe0000, 0xf0000),
                 Reserved(0xf0000, 0x100000), Ram(0x100000, 0x2000000)}));
}

TEST(E820, LaterSpecialRangesWinAndNeighboursMerge) {
  EXPECT_EQ(MapFor(32, {Reserved(0x1000000, 0x1003000), Acpi(0x1001000, 0x1002000),
                        Reserved(0x1001000, 0x1002000), Reserved(0x1003000, 0x1004000)}),
            (Map{Ram(0, 0x9fc00), Reserved(0x9fc00, 0x100000), Ram(0x100000, 0x1000000),
                 Reserved(0x1000000, 0x1004000), Ram(0x1004000, 0x2000000)}));
}

TEST(E820, DropsEmptyRangesAndCutsThoseThatWrap) {
  const std::uint64_t top = ~std::uint64_t{0} - 0xfff;
  const Map map = MapFor(32, {Acpi(0x1000000, 0x1000000),
                              E820Entry{Gpa{top}, ~std::uint64_t{0}, E820Type::kReserved}});
  ASSERT_EQ(map.size(), 4U);
  EXPECT_EQ(map[3], (E820Entry{Gpa{top}, 0xfff, E820Type::kReserved}));
}

}  // namespace
}  // namespace veneer::testing
