#include "src/vmm/cli/metrics_file.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/scratch_directory.h"

namespace veneer {
namespace {

TEST(WriteMetricsFile, HoldsEverythingAndLeavesNothingElseBehind) {
  const test::ScratchDirectory scratch;
  const std::string path = scratch.File("metrics.json");
  GuestMetrics metrics;
  metrics.counters = {{"exits.pio", 3}};
  metrics.milestones = {{"init", 2'500'000'000, 42}};
  ASSERT_TRUE(WriteMetricsFile(path, metrics, "the end"));
  std::ifstream file(path);
  const auto json = nlohmann::json::parse(file);
  EXPECT_EQ(json["stop"], "the end");
  EXPECT_EQ(json["milestones"][0]["name"], "init");
  EXPECT_DOUBLE_EQ(json["milestones"][0]["seconds"], 2.5);
  EXPECT_EQ(json["milestones"][0]["kernel_instructions"], 42);
  EXPECT_EQ(json["counters"]["exits.pio"], 3);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch.path()), {}), 1);
}

TEST(WriteMetricsFile, NamesAFileItCannotWrite) {
  const auto result = WriteMetricsFile("/no/such/folder/metrics", {}, "");
  ASSERT_FALSE(result.has_value());
  EXPECT_NE(result.error().message.find("/no/such/folder/metrics"), std::string::npos);
}

}  // namespace
}  // namespace veneer
