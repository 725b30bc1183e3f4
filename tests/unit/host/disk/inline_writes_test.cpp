#include "src/host/disk/inline_writes.h"

#include <gtest/gtest.h>

namespace veneer {
namespace {

TEST(InlineWrites, AWriteThatWaitedLeavesThoseAfterItToWorkersForAWhile) {
  InlineWrites writes;
  EXPECT_TRUE(writes.Allowed(0));
  writes.Took(10, 10 + InlineWrites::kSlowNs - 1);
  EXPECT_TRUE(writes.Allowed(10 + InlineWrites::kSlowNs));

  const std::uint64_t end = 20 + 5 * InlineWrites::kSlowNs;
  const std::uint64_t rested = end + InlineWrites::kRestFactor * (end - 20);
  writes.Took(20, end);
  EXPECT_FALSE(writes.Allowed(end));
  EXPECT_FALSE(writes.Allowed(rested - 1));
  EXPECT_TRUE(writes.Allowed(rested));
}

}  // namespace
}  // namespace veneer
