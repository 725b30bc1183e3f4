#include "veneer/vmm/base/metrics.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace veneer {
namespace {

TEST(Metrics, ANameIsOneCounter) {
  Metrics metrics;
  Counter& a = metrics.Get("exits.pio");
  a.Add();
  a.Add(4);
  EXPECT_EQ(&metrics.Get("exits.pio"), &a);
  EXPECT_NE(&metrics.Get("exits.mmio"), &a);
  EXPECT_EQ(metrics.Get("exits.pio").value(), 5U);
}

TEST(Metrics, SetReplacesTheValue) {
  Counter counter;
  counter.Add(3);
  counter.Set(1);
  EXPECT_EQ(counter.value(), 1U);
}

TEST(Metrics, SnapshotIsACopySortedByName) {
  Metrics metrics;
  metrics.Get("b").Add(2);
  metrics.Get("a").Add(1);
  const auto snapshot = metrics.Snapshot();
  metrics.Get("a").Add(100);
  const std::map<std::string, std::uint64_t> expected{{"a", 1}, {"b", 2}};
  EXPECT_EQ(snapshot, expected);
}

TEST(Metrics, CountersStayValidWhileOthersAreMade) {
  Metrics metrics;
  Counter& first = metrics.Get("first");
  for (int i = 0; i < 1000; ++i) {
    metrics.Get(std::to_string(i));
  }
  first.Add(7);
  EXPECT_EQ(metrics.Snapshot().at("first"), 7U);
}

TEST(Metrics, ThreadsLoseNoCount) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&metrics] {
      for (int i = 0; i < 1000; ++i) {
        metrics.Get("shared").Add();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(metrics.Get("shared").value(), 4000U);
}

}  // namespace
}  // namespace veneer
