#include "src/vmm/boot/guest_copy.h"

#include <gtest/gtest.h>

#include "boot_test_util.h"

namespace veneer::testing {
namespace {

TEST(CopyToGuest, CopiesAcrossChunksAtAnyAlignment) {
  const Bytes content = Pattern(700001, 3);
  const auto memory = FlatMemory(4);
  SpanSource source(content);
  ASSERT_TRUE(CopyToGuest(source, 1, 700000, *memory, Gpa{0x100123}));
  EXPECT_EQ(ReadGuest(*memory, 0x100123, 700000), Bytes(content.begin() + 1, content.end()));
  EXPECT_EQ(ReadGuest(*memory, 0x100122, 1)[0], std::byte{0});
  EXPECT_EQ(ReadGuest(*memory, 0x100123 + 700000, 1)[0], std::byte{0});
}

TEST(CopyToGuest, CopiesIntoARegionAboveTheHole) {
  const GuestMemory::Range ranges[] = {{Gpa{0}, 2 * kMiB}, {Gpa{0x100000000}, 2 * kMiB}};
  auto memory = std::move(*GuestMemory::Create(ranges, {.huge_pages = false}));
  const Bytes content = Pattern(5000, 3);
  SpanSource source(content);
  ASSERT_TRUE(CopyToGuest(source, 0, content.size(), *memory, Gpa{0x100001000}));
  EXPECT_EQ(ReadGuest(*memory, 0x100001000, content.size()), content);
}

TEST(CopyToGuest, PagesOfZerosCostNoMemory) {
  Bytes content(64 * kPageSize);
  content[10 * kPageSize] = std::byte{1};        // first byte of a page
  content[20 * kPageSize - 1] = std::byte{2};    // last byte of a page
  content[63 * kPageSize + 100] = std::byte{3};  // in the last page
  const auto memory = FlatMemory(4);
  SpanSource source(content);
  ASSERT_TRUE(CopyToGuest(source, 0, content.size(), *memory, Gpa{0x100000}));
  EXPECT_EQ(ReadGuest(*memory, 0x100000 + 10 * kPageSize, 1)[0], std::byte{1});
  EXPECT_EQ(ReadGuest(*memory, 0x100000 + 20 * kPageSize - 1, 1)[0], std::byte{2});
  EXPECT_EQ(ReadGuest(*memory, 0x100000 + 63 * kPageSize + 100, 1)[0], std::byte{3});
  // Reading makes pages resident too, so look at a copy that nobody has read.
  const auto untouched = FlatMemory(4);
  ASSERT_TRUE(CopyToGuest(source, 0, content.size(), *untouched, Gpa{0x100000}));
  EXPECT_EQ(untouched->ResidentBytes(), 3 * kPageSize);
}

TEST(CopyToGuest, SourceThatEndsEarlyIsAnError) {
  const Bytes content = Pattern(1000, 3);
  const auto memory = FlatMemory(4);
  SpanSource source(content);
  EXPECT_THAT(UsageMessage(CopyToGuest(source, 0, 1001, *memory, Gpa{0x100000})),
              ::testing::HasSubstr("truncated"));
}

}  // namespace
}  // namespace veneer::testing
