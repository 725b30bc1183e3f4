// Runs the micro guests (guests/micro): the Xen interface looked at from inside, by each transport
// and in both widths, and a PV disk driven from ring 3. Needs /dev/kvm and nothing else.
#include "integration/micro_guest.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/host_kind.h"

namespace veneer::test {
namespace {

using ::testing::HasSubstr;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// How the hypercalls and events of a guest go: this host's best way, or Veneer's own.
enum class Way { kBest, kOwn };

class MicroGuest : public ::testing::TestWithParam<Way> {
 protected:
  static bool InKvm() { return GetParam() == Way::kBest && KvmDeliversEvents(); }
  // What the guest is to expect besides.
  static std::string Words(const std::string& words) { return words + (InKvm() ? " kvmxen" : ""); }
  static std::vector<std::string> Options(std::vector<std::string> options) {
    if (GetParam() == Way::kOwn) {
      options.insert(options.end(), {"--kvm-xen", "off"});
    }
    return options;
  }
};

INSTANTIATE_TEST_SUITE_P(, MicroGuest, ::testing::Values(Way::kBest, Way::kOwn),
                         [](const auto& param_info) {
                           return param_info.param == Way::kBest ? "TheBestWay" : "TheOwnWay";
                         });

TEST_P(MicroGuest, SixtyFourBitThroughTheHypercallPage) {
  const ScratchDirectory scratch;
  const std::string console = scratch.File("console");
  const std::string metrics_file = scratch.File("metrics.json");
  const MicroOutcome outcome =
      RunMicro(kMicro64, Words("transport=page"),
               Options({"--console", "file:" + console, "--metrics", metrics_file}));
  ExpectAllPassed(outcome, InKvm() ? 290 : 300);
  EXPECT_THAT(ReadAll(console), HasSubstr("hello from hvc0 in 64 bit"));
  EXPECT_THAT(outcome.err, HasSubstr("micro console_io line"));
  EXPECT_THAT(outcome.err, HasSubstr("micro log line"));
  EXPECT_THAT(outcome.err, HasSubstr(InKvm() ? "hypercalls: KVM interception"
                                             : "hypercalls: rewritten call sites"));
  std::ifstream file(metrics_file);
  const auto metrics = nlohmann::json::parse(file);
  EXPECT_GT(metrics["counters"]["hypercall.unknown"], 0U);
  EXPECT_GT(metrics["counters"]["hypercall.refused_by_privilege"], 0U);
}

TEST_P(MicroGuest, SixtyFourBitThroughItsOwnCallSites) {
  const ScratchDirectory scratch;
  const std::string console = scratch.File("console");
  const MicroOutcome outcome = RunMicro(kMicro64, Words("transport=sites off=sched_op"),
                                        Options({"--console", "file:" + console}));
  ExpectAllPassed(outcome, InKvm() ? 290 : 300);
  EXPECT_THAT(ReadAll(console), HasSubstr("hello from hvc0 in 64 bit"));
}

TEST_P(MicroGuest, ThirtyTwoBitThroughTheHypercallPage) {
  const ScratchDirectory scratch;
  const std::string console = scratch.File("console");
  const MicroOutcome outcome =
      RunMicro(kMicro32, Words("transport=page"), Options({"--console", "file:" + console}));
  ExpectAllPassed(outcome, InKvm() ? 290 : 300);
  EXPECT_THAT(ReadAll(console), HasSubstr("hello from hvc0 in 32 bit"));
}

TEST_P(MicroGuest, ASecondVcpuStartsByHypercalls) {
  for (const char* kernel : {kMicro64, kMicro32}) {
    ExpectAllPassed(RunMicro(kernel, Words("tests=second"), Options({"--cpus", "2"})), 12);
  }
}

// A program of the guest's must not be able to end it.
TEST(MicroGuestEmulation, WhatKvmCannotEmulateIsTheProgramsFault) {
  if (InterpretsKernels()) {
    GTEST_SKIP() << "Veneer performs such instructions here";
  }
  ExpectAllPassed(RunMicro(kMicro64, "tests=none unknownop"), 2);
}

// What root opens stays open; what is opened later has to be the user's.
TEST(MicroGuestUser, RootBecomesAnother) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  const ScratchDirectory scratch;
  const std::string kernel = scratch.File("micro.elf");
  std::filesystem::copy_file(kMicro64, kernel);
  const std::string console = scratch.File("console");
  const std::vector<std::string> options{"--user", "65534",     "--entry",
                                         "pvh",    "--console", "file:" + console};
  const MicroOutcome refused = RunMicro(kernel.c_str(), "tests=none", options);
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("Permission denied")) << "in a folder that is root's";
  std::filesystem::permissions(scratch.path(), std::filesystem::perms(0711));
  std::filesystem::permissions(kernel, std::filesystem::perms(0644));
  const std::string words = KvmDeliversEvents() ? "transport=page kvmxen" : "transport=page";
  const MicroOutcome outcome = RunMicro(kernel.c_str(), words, options);
  ExpectAllPassed(outcome, 290);
  EXPECT_THAT(ReadAll(console), HasSubstr("hello from hvc0 in 64 bit"));
}

TEST(MicroGuestAbi, FifoIsOfferedWhereItIsAskedFor) {
  ExpectAllPassed(RunMicro(kMicro64, "tests=fifo", {"--event-abi", "fifo"}), 30);
}

TEST(MicroGuestAbi, TwoLevelIsAllThereIsWhereThatIsAskedFor) {
  const MicroOutcome outcome =
      RunMicro(kMicro64, "tests=fifo", {"--kvm-xen", "off", "--event-abi", "2-level"});
  EXPECT_THAT(outcome.out, HasSubstr("FAIL fifo/init "));
}

// "blkbench NAME REQUESTS NS KICKS UPCALLS"
struct BlockRun {
  long long requests = 0;
  long long ns = 0;
  long long kicks = 0;
  long long upcalls = 0;
};

BlockRun FindBlockRun(const std::string& out, const std::string& name) {
  const auto [requests, ns, kicks, upcalls] = MicroFigures(out, "blkbench " + name);
  return {requests, ns, kicks, upcalls};
}

// Kicks and upcalls depend on who is faster, so on the machine's other load. But a guest that keeps
// 32 requests under way publishes them in bulk: one notification in four requests would mean that
// req_event or rsp_event is not honoured.
void ExpectFewNotifications(const BlockRun& run) {
  EXPECT_LE(run.kicks * 4, run.requests);
  EXPECT_LE(run.upcalls * 4, run.requests);
}

TEST(MicroGuestDisk, ARingThreeFrontEndFindsItsDataOnTheDisk) {
  constexpr std::uint64_t kBytes = 8U << 20U;
  struct Case {
    std::string words;
    long long requests;
  };
  // Segments in the ring, and in a page of their own.
  for (const Case& test : {Case{"block=4 depth=32", 2048}, Case{"block=256 depth=8", 32}}) {
    const ScratchDirectory scratch;
    const std::string disk = scratch.File("disk.img");
    const std::string metrics_file = scratch.File("metrics.json");
    std::ofstream(disk).close();
    std::filesystem::resize_file(disk, kBytes);
    const MicroOutcome outcome = RunMicro(kMicro64, "tests=none blkbench compare " + test.words,
                                          {"--disk", "path=" + disk, "--metrics", metrics_file});
    ExpectAllPassed(outcome, 40);
    EXPECT_TRUE(HoldsPattern(disk, kBytes));
    std::ifstream file(metrics_file);
    const auto counters = nlohmann::json::parse(file)["counters"];
    EXPECT_EQ(counters["disk.xvda.writes"], test.requests);
    EXPECT_EQ(counters["disk.xvda.reads"], test.requests);
    EXPECT_EQ(counters["disk.xvda.bad_requests"], 0);
    for (const char* name : {"write", "read"}) {
      const BlockRun run = FindBlockRun(outcome.out, name);
      EXPECT_EQ(run.requests, test.requests);
      std::printf("%s, %s: %lld kicks and %lld upcalls for %lld requests\n", test.words.c_str(),
                  name, run.kicks, run.upcalls, run.requests);
      if (test.requests > 1000) {
        ExpectFewNotifications(run);
      }
    }
  }
}

TEST(MicroGuestBare, WithoutXenNothingOfXenIsThere) {
  for (const char* kernel : {kMicro64, kMicro32}) {
    ExpectAllPassed(RunMicro(kernel, "expect=bare", {"--xen", "off"}), 10);
  }
}

TEST(MicroGuestInTheBackground, HasItsConsoleAndItsEventsAtTheControlSocket) {
  constexpr std::chrono::seconds kLimit{60};
  const ScratchDirectory scratch;
  const std::string disk = scratch.File("disk.img");
  const std::string socket = scratch.File("guest.sock");
  std::ofstream(disk).close();
  std::filesystem::resize_file(disk, 8U << 20U);
  // It works longer than this test does.
  ChildProcess front(RunCommand(
      kMicro64, "tests=none blkbench ms=600000",
      {"--detach", "--name", "background", "--control-socket", socket, "--memory", "64M", "--entry",
       "pvh", "--disk", "path=" + disk, "--timeout", kMicroSeconds, "--kvm-xen", "off"}));
  ASSERT_EQ(front.WaitForExit(kLimit), 0) << front.err();
  EXPECT_EQ(front.out(), "background\n");
  const auto command = [&](std::vector<std::string> words) {
    words.insert(words.begin(), Veneer());
    words.insert(words.end(), {"--socket", socket});
    return words;
  };
  ChildProcess events(command({"ctl", "background", "events"}));
  ChildProcess console(command({"console", "background", "serial"}));
  EXPECT_TRUE(console.WaitForOutput("ok block/running", kLimit)) << console.out() << console.err();
  ChildProcess reader(command({"console", "background"}));
  EXPECT_TRUE(reader.WaitForOutput("ok block/running", kLimit)) << "from before it came";
  EXPECT_THAT(reader.err(), HasSubstr("only reads"));
  ChildProcess metrics(command({"ctl", "background", "metrics", "--prometheus"}));
  EXPECT_EQ(metrics.WaitForExit(kLimit), 0) << metrics.err();
  EXPECT_THAT(metrics.out(), HasSubstr(R"(veneer_guest_running{guest="background"} 1)"));
  // It has run, so that the thread has had some time.
  EXPECT_THAT(
      metrics.out(),
      ::testing::ContainsRegex(
          R"re(veneer_vcpu_run_seconds_total.guest="background",vcpu="0". [0-9.e-]*[1-9])re"));
  ChildProcess stop(command({"ctl", "background", "stop"}));
  EXPECT_EQ(stop.WaitForExit(kLimit), 0) << stop.err();
  for (ChildProcess* const client : {&console, &reader, &events}) {
    EXPECT_EQ(client->WaitForExit(kLimit), 0) << client->err();
  }
  EXPECT_THAT(console.err(), HasSubstr("'background' has ended"));
  EXPECT_THAT(events.out(), HasSubstr(R"("event":"started","life":1)"));
  EXPECT_THAT(events.out(),
              HasSubstr(R"("event":"ended","reason":"stopped by the user","exit_code":0)"));
}

}  // namespace
}  // namespace veneer::test
