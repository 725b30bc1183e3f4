// What is told of several measurements of one thing.
#include "src/bench/samples.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace veneer::bench {
namespace {

Samples Of(std::initializer_list<double> values) {
  Samples samples;
  for (const double value : values) {
    samples.Add(value);
  }
  return samples;
}

TEST(Samples, MedianAndRange) {
  EXPECT_EQ(Of({3, 1, 2}).Median(), 2);
  EXPECT_EQ(Of({4, 1, 2, 3}).Median(), 2.5);
  EXPECT_EQ(Of({3, 1, 2}).Min(), 1);
  EXPECT_EQ(Of({3, 1, 2}).Max(), 3);
  EXPECT_EQ(Of({3, 1, 2}).Text(1), "2.0 [1.0..3.0]");
}

TEST(Samples, ComeBackFromJson) {
  const Samples samples = Samples::FromJson(Of({3, 1, 2}).ToJson());
  EXPECT_EQ(samples.count(), 3U);
  EXPECT_EQ(samples.Times(10).Median(), 20);
  EXPECT_EQ(Samples::FromJson({{"samples", {"a", 1}}}).count(), 1U);
  EXPECT_EQ(Samples::FromJson(nullptr).count(), 0U);
}

}  // namespace
}  // namespace veneer::bench
