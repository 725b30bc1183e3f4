#include "src/vmm/control/output_ring.h"

#include <string_view>

#include <gtest/gtest.h>

namespace veneer {
namespace {

void Append(OutputRing& ring, std::string_view text) {
  ring.Append(std::as_bytes(std::span(text)));
}

TEST(OutputRing, KeepsTheLastThatWasWritten) {
  OutputRing ring(8);
  EXPECT_EQ(ring.Read(ring.begin(), 100), "");
  Append(ring, "abcde");
  EXPECT_EQ(ring.begin(), 0U);
  EXPECT_EQ(ring.Read(0, 100), "abcde");
  Append(ring, "fghij");
  EXPECT_EQ(ring.begin(), 2U);
  EXPECT_EQ(ring.end(), 10U);
  EXPECT_EQ(ring.Read(2, 100), "cdefghij");
}

TEST(OutputRing, GivesPiecesFromAnyPosition) {
  OutputRing ring(8);
  Append(ring, "abcdefghij");
  EXPECT_EQ(ring.Read(4, 3), "efg");
  EXPECT_EQ(ring.Read(7, 3), "hij") << "around the end of its memory";
  EXPECT_EQ(ring.Read(10, 3), "");
}

TEST(OutputRing, TakesMoreThanItHoldsAtOnce) {
  OutputRing ring(4);
  Append(ring, "xy");
  Append(ring, "0123456789");
  EXPECT_EQ(ring.end(), 12U);
  EXPECT_EQ(ring.Read(ring.begin(), 100), "6789");
}

}  // namespace
}  // namespace veneer
