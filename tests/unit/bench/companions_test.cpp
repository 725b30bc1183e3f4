// What the back-ends' benchmarks write becomes rows of the report.
#include "src/bench/companions.h"

#include <optional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/scratch_directory.h"

namespace veneer::bench {
namespace {

nlohmann::json Value(double value) { return {{"samples", {value}}}; }

nlohmann::json Block(double ours, double fio) {
  return {{"workloads",
           {{{"name", "256K sequential depth 8 read direct"},
             {"requests_per_second", Value(ours)},
             {"fio_requests_per_second", Value(fio)}},
            {{"name", "4K random depth 1 read direct"},
             {"requests_per_second", Value(2 * ours)},
             {"fio_requests_per_second", Value(2 * fio)}}}}};
}

class CompanionRowsTest : public ::testing::Test {
 protected:
  CompanionRowsTest() { results_.emplace(Results::Open(folder_, {}, true).value()); }

  const test::ScratchDirectory scratch_;
  const std::string folder_ = scratch_.path();
  std::optional<Results> results_;
};

TEST_F(CompanionRowsTest, EmulatedAndPvOfTheMicroGuestSideBySide) {
  ASSERT_TRUE(results_->SetCompanion("micro-block", Block(1000, 2000)));
  ASSERT_TRUE(results_->SetCompanion("micro-block-emulated", Block(10, 1900)));
  const std::vector<Row> rows = CompanionRows(*results_);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].unit, "MB/s");
  EXPECT_NEAR(rows[0].values.at(Way::kPv).Median(), 262.1, 0.1);
  EXPECT_NEAR(rows[0].values.at(Way::kEmulated).Median(), 2.6, 0.1);
  EXPECT_NEAR(rows[0].values.at(Way::kLimit).Median(), 524.3, 0.1) << "that of the PV run";
  EXPECT_EQ(rows[1].unit, "requests/s");
  EXPECT_EQ(rows[1].values.at(Way::kPv).Median(), 2000);
  EXPECT_NE(rows[0].panel, rows[1].panel) << "they have different units";
}

TEST_F(CompanionRowsTest, FramesOfTcpAreGigabitsCutOrNot) {
  const auto tap = [](const char* name, double gigabits) {
    return nlohmann::json{{"tap",
                           {{{"name", name},
                             {"gigabits_per_second", Value(gigabits)},
                             {"plain_gigabits_per_second", Value(10)}}}}};
  };
  ASSERT_TRUE(
      results_->SetCompanion("micro-net", tap("TCP frames of 64 KiB, uncut, host to guest", 5)));
  ASSERT_TRUE(results_->SetCompanion("micro-net-emulated",
                                     tap("TCP frames of 64 KiB, cut, host to guest", 0.25)));
  const std::vector<Row> rows = CompanionRows(*results_);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].title, "host to guest");
  EXPECT_EQ(rows[0].unit, "Gb/s");
  EXPECT_EQ(rows[0].values.at(Way::kPv).Median(), 5);
  EXPECT_EQ(rows[0].values.at(Way::kEmulated).Median(), 0.25);
}

TEST_F(CompanionRowsTest, NoneThatDidNotRun) {
  ASSERT_TRUE(results_->SetCompanion("block", "nonsense"));
  EXPECT_TRUE(CompanionRows(*results_).empty());
}

}  // namespace
}  // namespace veneer::bench
