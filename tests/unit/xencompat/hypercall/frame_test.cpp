#include "veneer/xencompat/hypercall/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::ElementsAre;

std::array<std::uint64_t, 16> DistinctRegisters() {
  std::array<std::uint64_t, 16> gpr{};
  for (std::size_t i = 0; i < gpr.size(); ++i) {
    gpr[i] = 0xabcd000000000000U + i;
  }
  return gpr;
}

TEST(FrameFromRegisters, TakesTheArgumentsOf64BitCode) {
  const HypercallFrame frame = FrameFromRegisters(DistinctRegisters(), true, 0);
  const std::uint64_t high = 0xabcd000000000000U;
  EXPECT_EQ(frame.number, high);  // rax
  EXPECT_THAT(frame.args, ElementsAre(high + 7, high + 6, high + 2, high + 10, high + 8, high + 9));
  EXPECT_EQ(frame.width, GuestWidth::k64);
  EXPECT_EQ(frame.cpl, 0);
}

TEST(FrameFromRegisters, TakesTheArgumentsOf32BitCodeWithoutTheUpperHalves) {
  const HypercallFrame frame = FrameFromRegisters(DistinctRegisters(), false, 3);
  EXPECT_EQ(frame.number, 0U);
  EXPECT_THAT(frame.args, ElementsAre(3, 1, 2, 6, 7, 5));
  EXPECT_EQ(frame.width, GuestWidth::k32);
  EXPECT_EQ(frame.cpl, 3);
}

TEST(FrameFromIntercept, KeepsAWideCallAsItIs) {
  const std::array<std::uint64_t, 6> args = {~0ULL, 1, 2, 3, 4, 5};
  const HypercallFrame frame = FrameFromIntercept(0x1'0000'0020, args, true, 0);
  EXPECT_EQ(frame.number, 0x1'0000'0020U);
  EXPECT_EQ(frame.args, args);
}

TEST(FrameFromIntercept, CutsANarrowCall) {
  const HypercallFrame frame =
      FrameFromIntercept(0x1'0000'0020, {~0ULL, 0x7'0000'0001, 2, 3, 4, 5}, false, 1);
  EXPECT_EQ(frame.number, 0x20U);
  EXPECT_THAT(frame.args, ElementsAre(0xffffffffU, 1, 2, 3, 4, 5));
  EXPECT_EQ(frame.width, GuestWidth::k32);
  EXPECT_EQ(frame.cpl, 1);
}

TEST(RaxOf, ExtendsErrorsToTheCallersWidth) {
  EXPECT_EQ(RaxOf(CallResult(-1), GuestWidth::k64), ~0ULL);
  EXPECT_EQ(RaxOf(CallResult(-1), GuestWidth::k32), 0xffffffffULL);
  EXPECT_EQ(RaxOf(CallResult(0x40011), GuestWidth::k32), 0x40011ULL);
}

}  // namespace
}  // namespace veneer
