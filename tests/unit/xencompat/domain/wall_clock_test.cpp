#include "src/xencompat/domain/wall_clock.h"

#include <array>
#include <cstring>

#include <gtest/gtest.h>

#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

class WallClockTest : public ::testing::Test {
 protected:
  alignas(8) std::array<std::byte, kPageSize> page_{};
};

TEST_F(WallClockTest, WritesSecondsAndNanoseconds) {
  constexpr std::uint64_t kSeconds = 0x1'2345'6789;  // needs the upper word
  WriteWallClock(page_, GuestWidth::k64, kSeconds * kNsPerSecond + 42);
  shared_info_t info;
  std::memcpy(&info, page_.data(), sizeof(info));
  EXPECT_EQ(info.wc_sec, 0x23456789U);
  EXPECT_EQ(info.wc_sec_hi, 1U);
  EXPECT_EQ(info.wc_nsec, 42U);
  EXPECT_NE(info.wc_version, 0U);
  EXPECT_EQ(info.wc_version % 2, 0U);
}

TEST_F(WallClockTest, ThirtyTwoBitGuestsHaveItElsewhere) {
  constexpr std::uint64_t kSeconds = 0x1'2345'6789;
  WriteWallClock(page_, GuestWidth::k32, kSeconds * kNsPerSecond + 42);
  shared_info_x86_32_t info;
  std::memcpy(&info, page_.data(), sizeof(info));
  EXPECT_EQ(info.wc_sec, 0x23456789U);
  EXPECT_EQ(info.arch.wc_sec_hi, 1U);
  EXPECT_EQ(info.wc_nsec, 42U);
  EXPECT_EQ(info.wc_version % 2, 0U);
}

TEST_F(WallClockTest, EachUpdateHasANewEvenVersion) {
  std::uint32_t last = 0;
  for (std::uint64_t i = 0; i < 3; ++i) {
    WriteWallClock(page_, GuestWidth::k64, i);
    std::uint32_t version = 0;
    std::memcpy(&version, page_.data() + offsetof(shared_info_t, wc_version), sizeof(version));
    EXPECT_EQ(version, last + 2);
    last = version;
  }
}

}  // namespace
}  // namespace veneer
