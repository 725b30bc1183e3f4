#include <gtest/gtest.h>

#include "src/backends/block/disk_state.h"

namespace veneer {
namespace {

TEST(DiskCounters, LatenciesAreCountedByBucketAndInAll) {
  Metrics metrics;
  DiskCounters counters(metrics, "xvda");
  counters.CountLatency(999);
  counters.CountLatency(3'500);
  counters.CountLatency(60'000'000'000);
  auto counted = metrics.Snapshot();
  EXPECT_EQ(counted["disk.xvda.latency_us.0000001"], 1U);
  EXPECT_EQ(counted["disk.xvda.latency_us.0000004"], 1U);
  EXPECT_EQ(counted["disk.xvda.latency_us.more"], 1U);
  EXPECT_EQ(counted["disk.xvda.latency_total_ns"], 60'000'004'499U);
}

}  // namespace
}  // namespace veneer
