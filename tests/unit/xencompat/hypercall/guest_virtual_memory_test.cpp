#include "veneer/xencompat/hypercall/guest_virtual_memory.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace veneer {
namespace {

class PagedGuestMemoryTest : public ::testing::Test {
 protected:
  // Linear page 1 is physical page 3, linear page 2 is physical page 1, nothing else is mapped.
  std::optional<Gpa> Walk(std::uint64_t linear) {
    ++walks_;
    EXPECT_EQ(linear % kPageSize, 0U);
    switch (linear / kPageSize) {
      case 1:
        return Gpa{3 * kPageSize};
      case 2:
        return Gpa{kPageSize};
      case 7:
        return Gpa{0x100000000};  // mapped, but not to RAM
      case 0xfffffffffffff:
        return Gpa{2 * kPageSize};
      default:
        return std::nullopt;
    }
  }

  std::unique_ptr<GuestMemory> memory_ = std::move(*GuestMemory::CreateFlat(4 * kPageSize));
  unsigned walks_ = 0;
  PagedGuestMemory paged_{*memory_, [this](std::uint64_t linear) { return Walk(linear); }};
};

TEST_F(PagedGuestMemoryTest, CopiesAcrossAPageBoundary) {
  const std::array<std::byte, 4> data = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  ASSERT_TRUE(paged_.Write(2 * kPageSize - 2, data));
  EXPECT_EQ(memory_->Read<std::uint16_t>(Gpa{4 * kPageSize - 2}), 0x0201);
  EXPECT_EQ(memory_->Read<std::uint16_t>(Gpa{kPageSize}), 0x0403);
  std::array<std::byte, 4> back{};
  ASSERT_TRUE(paged_.Read(2 * kPageSize - 2, back));
  EXPECT_EQ(back, data);
}

TEST_F(PagedGuestMemoryTest, FailsForWhatIsNotMapped) {
  std::array<std::byte, 4> data{};
  EXPECT_FALSE(paged_.Read(0, data));
  EXPECT_FALSE(paged_.Write(5 * kPageSize, data));
  EXPECT_FALSE(paged_.Read(3 * kPageSize - 1, data)) << "begins in a page, ends in none";
  EXPECT_FALSE(paged_.Read(7 * kPageSize, data)) << "a page without RAM";
}

TEST_F(PagedGuestMemoryTest, FailsForARangeThatWraps) {
  std::array<std::byte, 4> data{};
  EXPECT_FALSE(paged_.Read(~0ULL - 2, data));
  EXPECT_TRUE(paged_.Read(~0ULL - 3, data)) << "the last bytes of the address space";
}

TEST_F(PagedGuestMemoryTest, ReadsNothingAnywhere) {
  EXPECT_TRUE(paged_.Read(0, {}));
  EXPECT_TRUE(paged_.Write(~0ULL, {}));
  EXPECT_EQ(walks_, 0U);
}

TEST_F(PagedGuestMemoryTest, WalksOncePerPageUntilItForgets) {
  std::array<std::byte, 4> data{};
  ASSERT_TRUE(paged_.Read(kPageSize, data));
  ASSERT_TRUE(paged_.Write(kPageSize + 64, data));
  EXPECT_EQ(walks_, 1U);
  paged_.Forget();
  ASSERT_TRUE(paged_.Read(kPageSize, data));
  EXPECT_EQ(walks_, 2U);
}

}  // namespace
}  // namespace veneer
