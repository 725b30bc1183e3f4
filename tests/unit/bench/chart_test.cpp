// The chart: a bar for each figure, as high as the figure.
#include "src/bench/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Samples One(double value) {
  Samples samples;
  samples.Add(value);
  return samples;
}

std::size_t Count(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST(Chart, ABarForEachFigureAndAPanelForEachName) {
  const std::string svg =
      ChartSvg({{"net", "rx", "Gb/s", {{Way::kEmulated, One(1)}, {Way::kPv, One(5)}}},
                {"net", "tx", "Gb/s", {{Way::kPv, One(4)}}},
                {"disk", "read", "MB/s", {{Way::kLimit, One(9)}}}},
               "a <host> & more");
  EXPECT_EQ(Count(svg, "<g transform"), 2U);
  // Grey, red and blue; one of each is the legend's.
  EXPECT_EQ(Count(svg, "#b5b5b5"), 2U);
  EXPECT_EQ(Count(svg, "#c8102e"), 3U);
  EXPECT_EQ(Count(svg, "#3b5b92"), 2U);
  EXPECT_THAT(svg, HasSubstr("a &lt;host&gt; &amp; more"));
  EXPECT_THAT(svg, HasSubstr(">rx</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("logarithmic")));
}

TEST(Chart, ALogarithmicScaleWhereALinearOneWouldHideBars) {
  const std::string svg =
      ChartSvg({{"net", "rx", "Gb/s", {{Way::kEmulated, One(0.01)}, {Way::kLimit, One(10)}}}}, "");
  EXPECT_THAT(svg, HasSubstr("Gb/s, logarithmic scale"));
  // Four decades, the lowest to keep the smallest bar off the bottom: 196 units in all.
  EXPECT_THAT(svg, HasSubstr("height=\"49.0\""));
  EXPECT_THAT(svg, HasSubstr("height=\"196.0\""));
}

TEST(Chart, NothingMeasuredIsNoReasonToFail) {
  EXPECT_THAT(ChartSvg({}, ""), HasSubstr("</svg>"));
  EXPECT_THAT(ChartSvg({{"net", "rx", "Gb/s", {{Way::kPv, One(0)}}}}, ""), HasSubstr("</svg>"));
}

}  // namespace
}  // namespace veneer::bench
