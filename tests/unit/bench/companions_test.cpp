// What the back-ends' benchmarks write becomes rows of the report.
#include "companions.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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
  CompanionRowsTest() {
    std::string pattern = ::testing::TempDir() + "veneer-companions-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    results_.emplace(Results::Open(folder_, {}, true).value());
  }
  ~CompanionRowsTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
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

TEST_F(CompanionRowsTest, FramesOfTcpAreGigabits) {
  ASSERT_TRUE(
      results_->SetCompanion("net", {{"tap",
                                      {{{"name", "TCP frames of 64 KiB, uncut, guest to host"},
                                        {"frame_bytes", 62500},
                                        {"frames_per_second", Value(1000)},
                                        {"plain_frames_per_second", Value(2000)}}}}}));
  const std::vector<Row> rows = CompanionRows(*results_);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].unit, "Gb/s");
  EXPECT_DOUBLE_EQ(rows[0].values.at(Way::kPv).Median(), 0.5);
}

TEST_F(CompanionRowsTest, NoneThatDidNotRun) {
  ASSERT_TRUE(results_->SetCompanion("block", "nonsense"));
  EXPECT_TRUE(CompanionRows(*results_).empty());
}

}  // namespace
}  // namespace veneer::bench
