// What tests with micro guests (guests/micro) share.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "integration/environment.h"
#include "support/child_process.h"

namespace veneer::test {

inline constexpr char kMicro64[] = VENEER_MICRO64;
inline constexpr char kMicro32[] = VENEER_MICRO32;
// A micro guest takes a second or two; this only ends one that hangs.
inline constexpr char kMicroSeconds[] = "60";

// "veneer run" for a micro guest with these words on its command line.
inline std::vector<std::string> MicroCommand(const std::string& kernel, const std::string& words,
                                             const std::vector<std::string>& options) {
  std::vector<std::string> all{"--serial", "stdio", "--memory", "64M", "--timeout", kMicroSeconds};
  if (kernel == kMicro64) {
    all.insert(all.end(), {"--entry", "pvh"});
  }
  if (words.find("blkbench") != std::string::npos || words.find("netbench") != std::string::npos) {
    // A front-end in ring 3 kicks through the port page; a hypercall from there is refused.
    all.insert(all.end(), {"--kvm-xen", "off"});
  }
  all.insert(all.end(), options.begin(), options.end());
  return RunCommand(kernel, words, all);
}

struct MicroOutcome {
  int code;
  std::string out;
  std::string err;
};

inline MicroOutcome FinishMicro(ChildProcess& process) {
  // More than --timeout gives it.
  constexpr std::chrono::seconds kLimit{90};
  const int code = process.WaitForExit(kLimit);
  return {code, process.out(), process.err()};
}

inline MicroOutcome RunMicro(const std::string& kernel, const std::string& words,
                             const std::vector<std::string>& options = {}) {
  ChildProcess process(MicroCommand(kernel, words, options));
  process.CloseInput();
  return FinishMicro(process);
}

// The last line says how many checks were made: at least `least`, so that a guest that gives up
// early does not pass.
inline void ExpectAllPassed(const MicroOutcome& outcome, unsigned least) {
  using ::testing::HasSubstr;
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, ::testing::Not(HasSubstr("FAIL"))) << outcome.err;
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

// The numbers behind "WORD NAME " in a micro guest's output; those that are not there are 0.
inline std::array<long long, 4> MicroFigures(const std::string& out, const std::string& start) {
  std::array<long long, 4> figures{};
  const std::size_t at = out.find(start + " ");
  EXPECT_NE(at, std::string::npos) << out;
  if (at != std::string::npos) {
    EXPECT_GE(sscanf(out.c_str() + at + start.size(), "%lli %lli %lli %lli", &figures[0],
                     &figures[1], &figures[2], &figures[3]),
              3)
        << out;
  }
  return figures;
}

// Whether the file's first `bytes` are what the guest writes: BlockPattern() of
// guests/micro/block_plan.h.
inline bool HoldsPattern(const std::string& path, std::uint64_t bytes) {
  std::ifstream file(path, std::ios::binary);
  for (std::uint64_t at = 0; at < bytes; at += sizeof at) {
    std::array<char, sizeof at> data{};
    std::uint64_t word = 0;
    file.read(data.data(), data.size());
    std::memcpy(&word, data.data(), sizeof word);
    if (!file || word != (at / 8 + 1) * 0x9e3779b97f4a7c15) {
      return false;
    }
  }
  return true;
}

}  // namespace veneer::test
