// Runs the micro guests (guests/micro): the Xen interface looked at from inside, by each transport
// and in both widths. Needs /dev/kvm and nothing else.
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/environment.h"
#include "support/child_process.h"

namespace veneer::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kMicro64[] = VENEER_MICRO64;
constexpr char kMicro32[] = VENEER_MICRO32;
// A micro guest takes a second or two; this only ends one that hangs.
constexpr char kGuestLimit[] = "60";
constexpr std::chrono::seconds kLimit{90};

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

Outcome RunMicro(const std::string& kernel, const std::string& words,
                 const std::vector<std::string>& options = {}) {
  std::vector<std::string> argv{Veneer(),   "run", "--kernel",  kernel,      "--serial",  "stdio",
                                "--memory", "64M", "--timeout", kGuestLimit, "--cmdline", words};
  if (kernel == kMicro64) {
    argv.insert(argv.end(), {"--entry", "pvh"});
  }
  argv.insert(argv.end(), options.begin(), options.end());
  ChildProcess process(argv);
  process.CloseInput();
  const int code = process.WaitForExit(kLimit);
  return {code, process.out(), process.err()};
}

// The last line says how many checks were made: at least `least`, so that a guest that gives up
// early does not pass.
void ExpectAllPassed(const Outcome& outcome, unsigned least) {
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, Not(HasSubstr("FAIL"))) << outcome.err;
  const std::size_t summary = outcome.out.rfind("micro: ");
  ASSERT_NE(summary, std::string::npos) << outcome.out << outcome.err;
  unsigned passed = 0;
  unsigned failed = 0;
  // The guest's own words, in the form of guests/micro/report.cpp.
  ASSERT_EQ(sscanf(outcome.out.c_str() + summary, "micro: %u passed, %u failed", &passed, &failed),
            2)
      << outcome.out << outcome.err;
  EXPECT_EQ(failed, 0U);
  EXPECT_GE(passed, least) << outcome.out;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(MicroGuest, SixtyFourBitThroughTheHypercallPage) {
  const ScratchDirectory scratch;
  const std::string console = scratch.File("console");
  const std::string metrics_file = scratch.File("metrics.json");
  const Outcome outcome = RunMicro(kMicro64, "transport=page",
                                   {"--console", "file:" + console, "--metrics", metrics_file});
  ExpectAllPassed(outcome, 300);
  EXPECT_THAT(ReadAll(console), HasSubstr("hello from hvc0 in 64 bit"));
  EXPECT_THAT(outcome.err, HasSubstr("micro console_io line"));
  EXPECT_THAT(outcome.err, HasSubstr("micro log line"));
  std::ifstream file(metrics_file);
  const auto metrics = nlohmann::json::parse(file);
  EXPECT_GT(metrics["counters"]["hypercall.unknown"], 0U);
  EXPECT_GT(metrics["counters"]["hypercall.refused_by_privilege"], 0U);
}

TEST(MicroGuest, SixtyFourBitThroughItsOwnCallSites) {
  const ScratchDirectory scratch;
  const std::string console = scratch.File("console");
  const Outcome outcome =
      RunMicro(kMicro64, "transport=sites off=sched_op", {"--console", "file:" + console});
  ExpectAllPassed(outcome, 300);
  EXPECT_THAT(ReadAll(console), HasSubstr("hello from hvc0 in 64 bit"));
}

TEST(MicroGuest, ThirtyTwoBitThroughTheHypercallPage) {
  const ScratchDirectory scratch;
  const std::string console = scratch.File("console");
  const Outcome outcome = RunMicro(kMicro32, "transport=page", {"--console", "file:" + console});
  ExpectAllPassed(outcome, 300);
  EXPECT_THAT(ReadAll(console), HasSubstr("hello from hvc0 in 32 bit"));
}

TEST(MicroGuest, WithoutXenNothingOfXenIsThere) {
  for (const char* kernel : {kMicro64, kMicro32}) {
    ExpectAllPassed(RunMicro(kernel, "expect=bare", {"--xen", "off"}), 10);
  }
}

}  // namespace
}  // namespace veneer::test
