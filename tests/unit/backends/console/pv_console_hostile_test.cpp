// A guest that lies about its rings: XSA-155's family for the console.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "console_fixture.h"

namespace veneer {
namespace {

using veneer::testing::ConsoleFrontEnd;

class PvConsoleHostileTest : public PvConsoleTest {
 protected:
  std::vector<std::byte> PageCopy() { return {guest_.page().begin(), guest_.page().end()}; }
};

TEST_F(PvConsoleHostileTest, AnOutputRingOutOfBoundsIsLeftAlone) {
  for (const std::uint32_t distance :
       {ConsoleFrontEnd::kOutSize + 1, 2 * ConsoleFrontEnd::kOutSize, 0x80000000U, 0xffffffffU}) {
    for (const std::uint32_t start : {0U, 5U, 0xfffffff0U}) {
      guest_.out_cons().store(start);
      guest_.out_prod().store(start + distance);
      const std::vector<std::byte> before = PageCopy();
      const std::uint64_t counted = Count("console.bad_rings");
      console_.OnEvent();
      EXPECT_EQ(Count("console.bad_rings"), counted + 1) << start << " " << distance;
      EXPECT_EQ(PageCopy(), before);
    }
  }
  EXPECT_EQ(outputs_, 0);
  EXPECT_EQ(notifies_, 0);
}

TEST_F(PvConsoleHostileTest, ExactlyARingIsNotOutOfBounds) {
  guest_.out_cons().store(9);
  guest_.out_prod().store(9 + ConsoleFrontEnd::kOutSize);
  console_.OnEvent();
  EXPECT_EQ(printed_.size(), ConsoleFrontEnd::kOutSize);
  EXPECT_EQ(Count("console.bad_rings"), 0U);
}

TEST_F(PvConsoleHostileTest, AnInputRingOutOfBoundsTakesNothing) {
  for (const std::uint32_t distance :
       {ConsoleFrontEnd::kInSize + 1, ConsoleFrontEnd::kOutSize, 0x80000000U, 0xffffffffU}) {
    guest_.in_cons().store(77);
    guest_.in_prod().store(77 + distance);
    const std::vector<std::byte> before = PageCopy();
    const std::uint64_t counted = Count("console.bad_rings");
    EXPECT_EQ(Type("text"), 0U) << distance;
    EXPECT_EQ(Count("console.bad_rings"), counted + 1);
    EXPECT_EQ(PageCopy(), before);
  }
  EXPECT_EQ(notifies_, 0);
}

TEST_F(PvConsoleHostileTest, ABadInputRingDoesNotStopOutput) {
  guest_.in_cons().store(1);
  guest_.Write("still here");
  Type("text");
  console_.OnEvent();
  EXPECT_EQ(printed_, "still here");
  EXPECT_EQ(rooms_, 0);
}

TEST_F(PvConsoleHostileTest, ABadOutputRingDoesNotStopInput) {
  guest_.out_cons().store(1);
  console_.OnEvent();
  EXPECT_EQ(Type("text"), 4U);
  EXPECT_EQ(guest_.Read(), "text");
}

TEST_F(PvConsoleHostileTest, RingsThatMakeSenseAgainWorkAgain) {
  guest_.out_cons().store(1);
  guest_.in_cons().store(1);
  console_.OnEvent();
  EXPECT_EQ(Type("text"), 0U);
  guest_.StartAt(0);
  guest_.Write("sorry");
  console_.OnEvent();
  EXPECT_EQ(printed_, "sorry");
  EXPECT_EQ(rooms_, 1) << "input was refused and would be taken now";
  EXPECT_EQ(Type("text"), 4U);
}

TEST_F(PvConsoleHostileTest, OutputAddedDuringAnEventWaitsForTheNext) {
  on_output_ = [this] { guest_.Write(Pattern(ConsoleFrontEnd::kOutSize)); };
  guest_.Write("x");
  console_.OnEvent();
  EXPECT_EQ(outputs_, 1);
  EXPECT_EQ(printed_, "x");
}

TEST_F(PvConsoleHostileTest, InputWritesNothingButItsRingAndItsIndex) {
  std::fill(guest_.page().begin(), guest_.page().end(), std::byte{0xa5});
  const std::vector<std::byte> before = PageCopy();
  EXPECT_EQ(Type(Pattern(5000)), ConsoleFrontEnd::kInSize);
  const std::vector<std::byte> after = PageCopy();
  for (std::size_t i = ConsoleFrontEnd::kInSize; i < kPageSize; ++i) {
    const std::size_t index = offsetof(xencons_interface, in_prod);
    if (i < index || i >= index + 4) {
      ASSERT_EQ(after[i], before[i]) << i;
    }
  }
}

}  // namespace
}  // namespace veneer
