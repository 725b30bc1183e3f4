#include "veneer/xencompat/domain/guest_area.h"

#include <array>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

namespace veneer {
namespace {

class GuestAreaTest : public ::testing::Test {
 protected:
  // Pages 1 and 2 are swapped; page 3 is not mapped; page 9 is mapped to where no RAM is.
  static std::optional<Gpa> Walk(std::uint64_t address) {
    switch (address / kPageSize) {
      case 1:
        return Gpa{address + kPageSize};
      case 2:
        return Gpa{address - kPageSize};
      case 9:
        return Gpa{address};
      default:
        return std::nullopt;
    }
  }
  std::optional<GuestArea> Resolve(std::uint64_t address, std::size_t size) {
    return GuestArea::Resolve(*memory_, Walk, address, size);
  }
  std::unique_ptr<GuestMemory> memory_ = std::move(*GuestMemory::CreateFlat(4 * kPageSize));
};

TEST_F(GuestAreaTest, WritesAcrossPages) {
  const std::uint64_t start = 2 * kPageSize - 3;
  const auto area = Resolve(start, 8);
  ASSERT_TRUE(area);
  EXPECT_EQ(area->size(), 8U);
  std::array<std::byte, 8> data{};
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<std::byte>(i + 1);
  }
  area->Write(*memory_, 0, data);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{3 * kPageSize - 3}), 1);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{3 * kPageSize - 1}), 3);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{kPageSize}), 4);
  EXPECT_EQ(memory_->Read<std::uint8_t>(Gpa{kPageSize + 4}), 8);
}

TEST_F(GuestAreaTest, WritesPartsAnywhere) {
  const auto area = Resolve(2 * kPageSize - 3, 8);
  ASSERT_TRUE(area);
  for (std::size_t offset = 0; offset < 8; ++offset) {
    for (std::size_t length = 0; length <= 8 - offset; ++length) {
      ASSERT_TRUE(memory_->Fill(Gpa{0}, 4 * kPageSize, std::byte{0}));
      area->Write(*memory_, offset, std::vector(length, std::byte{1}));
      for (std::size_t i = 0; i < 8; ++i) {
        const Gpa at = i < 3 ? Gpa{3 * kPageSize - 3 + i} : Gpa{kPageSize + i - 3};
        EXPECT_EQ(memory_->Read<std::uint8_t>(at), i >= offset && i < offset + length ? 1 : 0);
      }
    }
  }
}

TEST_F(GuestAreaTest, RefusesWhatIsNotMappedOrNotRam) {
  EXPECT_FALSE(Resolve(0, 8));
  EXPECT_FALSE(Resolve(3 * kPageSize - 4, 8)) << "ends in a page that is not mapped";
  EXPECT_FALSE(Resolve(9 * kPageSize, 8));
  EXPECT_TRUE(Resolve(3 * kPageSize - 8, 8)) << "the last bytes of a page";
}

TEST_F(GuestAreaTest, KnowsWhetherItIsInOnePiece) {
  EXPECT_EQ(Resolve(kPageSize + 8, 16)->Contiguous(), Gpa{2 * kPageSize + 8});
  EXPECT_EQ(Resolve(2 * kPageSize - 8, 16)->Contiguous(), std::nullopt);
  const auto straight = [](std::uint64_t address) { return std::optional(Gpa{address}); };
  EXPECT_EQ(GuestArea::Resolve(*memory_, straight, kPageSize - 8, 16)->Contiguous(),
            Gpa{kPageSize - 8});
}

}  // namespace
}  // namespace veneer
