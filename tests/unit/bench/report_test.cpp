// The table that people read.
#include "src/bench/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer::bench {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

TEST(Report, NumbersOfThreeDigitsAndMore) {
  EXPECT_EQ(Number(0), "0");
  EXPECT_EQ(Number(0.01234), "0.0123");
  EXPECT_EQ(Number(1.234), "1.23");
  EXPECT_EQ(Number(12.34), "12.3");
  EXPECT_EQ(Number(123.4), "123");
  EXPECT_EQ(Number(1234), "1 234");
  EXPECT_EQ(Number(1234567), "1 234 567");
}

TEST(Report, ShortNumbersFitAboveBars) {
  EXPECT_EQ(ShortNumber(0), "0");
  EXPECT_EQ(ShortNumber(0.00123), "0.00123");
  EXPECT_EQ(ShortNumber(9344), "9.34k");
  EXPECT_EQ(ShortNumber(45827), "45.8k");
  EXPECT_EQ(ShortNumber(1234567), "1.23M");
}

TEST(Report, RatiosAndWhatIsMissing) {
  Samples emulated;
  emulated.Add(2);
  Samples pv;
  pv.Add(30);
  pv.Add(50);
  BenchOptions options;
  options.host = {{"host", "some processor"}};
  const std::string text =
      ReportText(options, {{"disk", "read", "MB/s", {{Way::kEmulated, emulated}, {Way::kPv, pv}}}},
                 {"the limit: no reason"});
  EXPECT_THAT(text, HasSubstr("host: some processor\n"));
  EXPECT_THAT(text, ContainsRegex("MB/s +emulated +PV +limit +PV/emulated +PV/limit\n"));
  EXPECT_THAT(text, ContainsRegex("read +2.00 +40.0 \\[30.0..50.0\\] +- +20.0 x +-\n"));
  EXPECT_THAT(text, HasSubstr("Not measured: the limit: no reason\n"));
}

TEST(Report, SaysWhatAnInterpretedKernelMeans) {
  BenchOptions options;
  EXPECT_THAT(ReportText(options, {}, {}), HasSubstr("run at full speed"));
  options.interpreted_kernel = true;
  EXPECT_THAT(ReportText(options, {}, {}), HasSubstr("interprets guest kernels"));
}

}  // namespace
}  // namespace veneer::bench
