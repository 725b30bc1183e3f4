// What a flush promises: once it is answered, the data is on the disk, whoever is killed next.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

#include "integration/micro_guest.h"
#include "support/child_process.h"

namespace veneer::test {
namespace {

// VENEER_TEST_KILLS: fewer where starting a program takes a second.
int Rounds() { return std::atoi(Setting("VENEER_TEST_KILLS", "50").c_str()); }
constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kDiskBytes = 16U << 20U;
constexpr std::chrono::seconds kLimit{90};

// How many blocks the guest has said are flushed: each whole line "journal BLOCK".
std::uint64_t FlushedBlocks(const std::string& out) {
  const std::string whole = out.substr(0, out.rfind('\n') + 1);
  const std::size_t last = whole.rfind("journal ");
  unsigned long long block = 0;
  return last != std::string::npos && sscanf(whole.c_str() + last, "journal %llu", &block) == 1
             ? block + 1
             : 0;
}

// A different moment in each round, from right after the first flush to a hundred flushes later.
std::string LastLineToWaitFor(int round) {
  return "journal " + std::to_string(round * 37 % 101) + "\n";
}

int RunTool(const std::vector<std::string>& argv) {
  ChildProcess tool(argv);
  tool.CloseInput();
  return tool.WaitForExit(kLimit);
}

class Flush : public ::testing::TestWithParam<const char*> {
 protected:
  static bool IsQcow2() { return std::string(GetParam()) == "qcow2"; }
  static void MakeDisk(const std::string& path) {
    ASSERT_EQ(RunTool({"/usr/bin/qemu-img", "create", "-q", "-f", GetParam(), path,
                       std::to_string(kDiskBytes)}),
              0);
  }
  // The disk's content as a raw file; checked, if its format can be.
  static std::string Content(const std::string& disk, const ScratchDirectory& scratch) {
    if (!IsQcow2()) {
      return disk;
    }
    // The server has the image locked until it has noticed that the VMM is gone and ended in order.
    int checked = -1;
    for (int tries = 0; tries < 100 && checked != 0; ++tries) {
      checked = RunTool({"/usr/bin/qemu-img", "check", "-q", disk});
    }
    EXPECT_EQ(checked, 0) << "qemu-img check";
    const std::string raw = scratch.File("raw");
    EXPECT_EQ(RunTool({"/usr/bin/qemu-img", "convert", "-O", "raw", disk, raw}), 0);
    return raw;
  }
};

TEST_P(Flush, WhatIsAnsweredIsThereAfterTheVmmOrTheGuestIsKilled) {
  std::uint64_t checked = 0;
  for (int round = 0; round < Rounds(); ++round) {
    const ScratchDirectory scratch;
    const std::string disk = scratch.File("disk");
    const std::string socket = scratch.File("control");
    MakeDisk(disk);
    ChildProcess veneer(MicroCommand(kMicro64, "tests=none blkbench journal",
                                     {"--disk", "path=" + disk + ",format=" + GetParam(), "--name",
                                      "flush", "--control-socket", socket}));
    veneer.CloseInput();
    ASSERT_TRUE(veneer.WaitForOutput(LastLineToWaitFor(round), kLimit))
        << veneer.out() << veneer.err();
    if (round % 2 == 0) {
      veneer.Signal(SIGKILL);
      EXPECT_EQ(veneer.WaitForExit(kLimit), 128 + SIGKILL);
    } else {
      // The guest dies, the VMM ends in order.
      ChildProcess ctl({Veneer(), "ctl", "flush", "stop", "--socket", socket});
      EXPECT_EQ(ctl.WaitForExit(kLimit), 0) << ctl.err();
      EXPECT_EQ(veneer.WaitForExit(kLimit), 0) << veneer.err();
    }
    const std::uint64_t flushed = FlushedBlocks(veneer.out());
    EXPECT_GE(flushed, 1U);
    EXPECT_TRUE(HoldsPattern(Content(disk, scratch), flushed * kBlock)) << "round " << round;
    checked += flushed;
  }
  std::printf("%s: %d kills, %llu flushed blocks found\n", GetParam(), Rounds(),
              static_cast<unsigned long long>(checked));
}

INSTANTIATE_TEST_SUITE_P(Formats, Flush, ::testing::Values("raw", "qcow2"),
                         [](const auto& format) { return std::string(format.param); });

}  // namespace
}  // namespace veneer::test
