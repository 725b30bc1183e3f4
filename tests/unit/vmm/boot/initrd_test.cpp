#include "src/vmm/boot/initrd.h"

#include <gtest/gtest.h>

#include "boot_test_util.h"

namespace veneer::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

LoadedKernel KernelAt(std::uint64_t base, std::uint64_t end) {
  LoadedKernel kernel;
  kernel.segments.push_back(LoadedSegment{Gpa{base}, 0x1000, end - base, true});
  kernel.end = Gpa{end};
  return kernel;
}

std::vector<E820Entry> MapFor(std::uint64_t mib, std::vector<E820Entry> special = {}) {
  return BuildE820(*MemoryLayout(mib * kMiB), special);
}

TEST(PlaceInitrd, GoesToTheTopOfRamPageAligned) {
  const LoadedKernel kernel = KernelAt(0x1000000, 0x1800000);
  EXPECT_EQ(PlaceInitrd(0x1000, MapFor(64), kernel), Gpa{64 * kMiB - 0x1000});
  EXPECT_EQ(PlaceInitrd(0x1001, MapFor(64), kernel), Gpa{64 * kMiB - 0x2000});
}

TEST(PlaceInitrd, StaysBelowTheKernelsLimit) {
  LoadedKernel kernel = KernelAt(0x1000000, 0x1800000);
  EXPECT_EQ(PlaceInitrd(0x1000, MapFor(6144), kernel), Gpa{0x7ffff000});
  kernel.limits.initrd_last = Gpa{0x37ffffff};
  EXPECT_EQ(PlaceInitrd(0x1000, MapFor(6144), kernel), Gpa{0x37fff000});
  kernel.limits.initrd_last = Gpa{0xffffffff};
  EXPECT_EQ(PlaceInitrd(0x1000, MapFor(6144), kernel), Gpa{0xbffff000});
}

TEST(PlaceInitrd, StaysClearOfReservedRanges) {
  const LoadedKernel kernel = KernelAt(0x1000000, 0x1800000);
  const auto map = MapFor(64, {E820Entry{Gpa{0x3ff0000}, 0x10000, E820Type::kAcpiTables}});
  EXPECT_EQ(PlaceInitrd(0x2000, map, kernel), Gpa{0x3fee000});
}

TEST(PlaceInitrd, GoesBelowTheKernelWhenThereIsNoRoomAbove) {
  const LoadedKernel kernel = KernelAt(0x1000000, 0x1f00000);
  const auto map = MapFor(32);
  EXPECT_EQ(PlaceInitrd(0x100000, map, kernel), Gpa{0x1f00000});
  EXPECT_EQ(PlaceInitrd(0x100001, map, kernel), Gpa{0xeff000});
  EXPECT_EQ(PlaceInitrd(0xf00000, map, kernel), Gpa{0x100000});
  EXPECT_EQ(PlaceInitrd(0xf00001, map, kernel), std::nullopt);
  EXPECT_EQ(PlaceInitrd(~std::uint64_t{0}, map, kernel), std::nullopt);
}

TEST(PlaceInitrd, UnalignedPlacesDoNotReachIntoTheKernel) {
  const LoadedKernel kernel = KernelAt(0x1000000, 0x1fff001);
  // What is left above the kernel has no whole page.
  EXPECT_EQ(PlaceInitrd(0xf00000, MapFor(32), kernel), Gpa{0x100000});
  EXPECT_EQ(PlaceInitrd(0x100, MapFor(32), kernel), Gpa{0xfff000});
}

std::vector<std::string> One(const std::string& path) { return {path}; }

TEST(LoadInitrd, CopiesSeveralFilesEachFromAMultipleOfFourOn) {
  const auto memory = FlatMemory(32);
  const TempFile first(Pattern(5, 1));
  const TempFile second(Pattern(7, 2));
  const std::vector<std::string> paths = {first.path(), second.path()};
  const auto initrd = LoadInitrd(paths, MapFor(32), KernelAt(0x1000000, 0x1800000), *memory);
  ASSERT_TRUE(initrd) << initrd.error().message;
  EXPECT_EQ(initrd->size, 8U + 7U);
  EXPECT_EQ(ReadGuest(*memory, initrd->base.value, 5), Pattern(5, 1));
  EXPECT_EQ(ReadGuest(*memory, initrd->base.value + 5, 3), Bytes(3));
  EXPECT_EQ(ReadGuest(*memory, initrd->base.value + 8, 7), Pattern(7, 2));
}

TEST(LoadInitrd, CopiesTheFile) {
  const auto memory = FlatMemory(32);
  const Bytes content = Pattern(100001, 8);
  const TempFile file(content);
  const auto initrd =
      LoadInitrd(One(file.path()), MapFor(32), KernelAt(0x1000000, 0x1800000), *memory);
  ASSERT_TRUE(initrd) << initrd.error().message;
  EXPECT_EQ(initrd->size, 100001U);
  EXPECT_EQ(ReadGuest(*memory, initrd->base.value, content.size()), content);
}

TEST(LoadInitrd, SaysSizesWhenItDoesNotFit) {
  const auto memory = FlatMemory(32);
  const TempFile file(Pattern(1, 1));
  ASSERT_EQ(ftruncate(file.fd(), std::int64_t{1} << 40), 0);
  EXPECT_THAT(UsageMessage(LoadInitrd(One(file.path()), MapFor(32), KernelAt(0x1000000, 0x1800000),
                                      *memory)),
              AllOf(HasSubstr(file.path()), HasSubstr("1073741824 KiB"), HasSubstr("32 MiB")));
}

TEST(LoadInitrd, EmptyOrMissingFileIsAnError) {
  const auto memory = FlatMemory(32);
  const LoadedKernel kernel = KernelAt(0x1000000, 0x1800000);
  EXPECT_THAT(UsageMessage(LoadInitrd(One(TempFile({}).path()), MapFor(32), kernel, *memory)),
              HasSubstr("empty"));
  EXPECT_THAT(UsageMessage(LoadInitrd(One("/nonexistent"), MapFor(32), kernel, *memory)),
              AllOf(HasSubstr("initrd '/nonexistent'"), HasSubstr("No such file")));
}

}  // namespace
}  // namespace veneer::testing
