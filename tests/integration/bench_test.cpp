// `veneer bench`, with a Linux guest that has an emulated and a PV device of each kind.
#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/environment.h"
#include "support/child_process.h"
#include "support/scratch_directory.h"

namespace veneer::test {
namespace {

using ::testing::HasSubstr;

// With stderr, where the progress goes, in its stdout.
std::vector<std::string> Bench(const std::string& folder) {
  return {"/bin/sh",
          "-c",
          "exec \"$0\" \"$@\" 2>&1",
          Veneer(),
          "bench",
          "--quick",
          "--part",
          "net",
          "--part",
          "disk",
          "--output",
          folder,
          "--kernel",
          EmulatedKernel(),
          "--initrd",
          Needed("VENEER_TEST_BENCH_INITRD")};
}

TEST(Bench, GoesOnAfterAnInterruptionAndReports) {
  const ScratchDirectory scratch;
  const std::string folder = scratch.File("report");
  {
    ChildProcess bench(Bench(folder));
    ASSERT_TRUE(bench.WaitForOutput("booting the guest", BootLimit())) << bench.out();
    bench.Signal(SIGINT);
    EXPECT_EQ(bench.WaitForExit(BootLimit()), 128 + SIGINT) << bench.out();
    EXPECT_THAT(bench.out(), HasSubstr("the same command goes on from here"));
    EXPECT_FALSE(std::filesystem::exists(folder + "/bench-pv.img")) << "disks go with the run";
  }
  ChildProcess bench(Bench(folder));
  EXPECT_EQ(bench.WaitForExit(BootLimit()), 0) << bench.out();
  EXPECT_THAT(bench.out(), HasSubstr("PV/emulated"));
  const auto json = nlohmann::json::parse(std::ifstream(folder + "/bench.json"));
  EXPECT_EQ(json["linux"].size(), 9U);
  for (const auto& [title, row] : json["linux"].items()) {
    for (const char* way : {"emulated", "pv", "limit"}) {
      ASSERT_TRUE(row.contains(way)) << title << " " << way;
      EXPECT_EQ(row[way]["samples"].size(), 2U) << title << " " << way;
      EXPECT_GT(row[way]["min"], 0) << title << " " << way;
    }
  }
  EXPECT_GT(std::filesystem::file_size(folder + "/bench.svg"), 1000U);

  ChildProcess again(Bench(folder));
  EXPECT_EQ(again.WaitForExit(BootLimit()), 0);
  EXPECT_THAT(again.out(), HasSubstr("all figures are in"));
}

}  // namespace
}  // namespace veneer::test
