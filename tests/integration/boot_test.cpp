// Boots the small test kernel, as a user would, and looks at what guest and host say.
#include <signal.h>

#include <fstream>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/environment.h"
#include "support/child_process.h"

namespace veneer::test {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> BootCommand(const std::vector<std::string>& options,
                                     const std::string& guest_command) {
  std::vector<std::string> argv{Veneer(),    "run",
                                "--initrd",  Needed("VENEER_TEST_INITRD"),
                                "--cmdline", "console=ttyS0 veneer.run=\"" + guest_command + "\""};
  argv.insert(argv.end(), options.begin(), options.end());
  return argv;
}

// The guest's "report: key value" lines, as guests/initramfs/veneer-report prints them.
std::map<std::string, std::string> ParseReport(const std::string& output) {
  std::map<std::string, std::string> report;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) {
      line.pop_back();
    }
    constexpr std::string_view kPrefix = "report: ";
    if (line.starts_with(kPrefix)) {
      const std::string rest = line.substr(kPrefix.size());
      const std::size_t space = rest.find(' ');
      report[rest.substr(0, space)] =
          space == std::string::npos ? std::string() : rest.substr(space + 1);
    }
  }
  return report;
}

TEST(Boot, TwoVcpusReportAndPowerOff) {
  const ScratchDirectory scratch;
  const std::string metrics_file = scratch.File("metrics.json");
  ChildProcess veneer(BootCommand({"--kernel", Needed("VENEER_TEST_KERNEL"), "--cpus", "2",
                                   "--memory", GuestMemory(256), "--metrics", metrics_file},
                                  "veneer-report"));
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  auto report = ParseReport(veneer.out());
  EXPECT_TRUE(report.contains("ok")) << veneer.out();
  EXPECT_EQ(report["cpus"], "2");
  EXPECT_GE(std::stoul(report["memory_mib"]), GuestMib(200));
  EXPECT_LE(std::stoul(report["memory_mib"]), GuestMib(256));
  EXPECT_THAT(veneer.out(), HasSubstr("veneer: exit status 0"));

  std::ifstream file(metrics_file);
  const auto metrics = nlohmann::json::parse(file);
  EXPECT_EQ(metrics["stop"], "the guest powered off");
  std::vector<std::string> milestones;
  for (const auto& milestone : metrics["milestones"]) {
    milestones.push_back(milestone["name"]);
  }
  EXPECT_THAT(milestones, ::testing::ElementsAre("console", "smp", "init"));
  EXPECT_GT(metrics["counters"]["exits.pio"], 0U);
}

TEST(Boot, SmallMemoryElfKernel) {
  ChildProcess veneer(BootCommand(
      {"--kernel", Needed("VENEER_TEST_VMLINUX"), "--memory", GuestMemory(64)}, "veneer-report"));
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  auto report = ParseReport(veneer.out());
  EXPECT_TRUE(report.contains("ok")) << veneer.out();
  EXPECT_EQ(report["cpus"], "1");
}

TEST(Boot, FourVcpusSixGigabytesThroughPvhEntry) {
  ChildProcess veneer(BootCommand({"--kernel", Needed("VENEER_TEST_VMLINUX"), "--entry", "pvh",
                                   "--cpus", "4", "--memory", "6G"},
                                  "veneer-report"));
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  auto report = ParseReport(veneer.out());
  EXPECT_TRUE(report.contains("ok")) << veneer.out();
  EXPECT_EQ(report["cpus"], "4");
  EXPECT_GE(std::stoul(report["memory_mib"]), 5700U);
}

TEST(Boot, PanicIsReportedAsGuestCrash) {
  ChildProcess veneer(
      BootCommand({"--kernel", Needed("VENEER_TEST_KERNEL")}, "echo c > /proc/sysrq-trigger"));
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 3) << veneer.err();
  EXPECT_THAT(veneer.out(), HasSubstr("Kernel panic"));
  EXPECT_THAT(veneer.err(), HasSubstr("the guest's kernel panicked"));
}

TEST(Boot, RebootEndsWhenToldTo) {
  ChildProcess veneer(
      BootCommand({"--kernel", Needed("VENEER_TEST_KERNEL"), "--on-reboot", "exit"}, "reboot -f"));
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.err(), HasSubstr("the guest asked for a reset"));
}

// Printable, no two lines alike, and several times what the port keeps.
std::string PastedText() {
  std::string text;
  for (unsigned line = 0; text.size() < 20'000; ++line) {
    text += "line " + std::to_string(line) + " of what somebody pastes into a terminal\n";
  }
  return text;
}

TEST(Boot, ShellOnTheSerialPortThenRebootAndASignal) {
  ChildProcess veneer({Veneer(), "run", "--kernel", Needed("VENEER_TEST_KERNEL"), "--initrd",
                       Needed("VENEER_TEST_INITRD"), "--cmdline", "console=ttyS0"});
  ASSERT_TRUE(veneer.WaitForOutput("# ", BootLimit())) << veneer.out();
  veneer.Send("echo $((6*7))-marker\n");
  EXPECT_TRUE(veneer.WaitForOutput("42-marker", BootLimit())) << veneer.out();

  // A long text arrives whole, and the guest goes on.
  const ScratchDirectory scratch;
  const std::string pasted = PastedText();
  std::ofstream(scratch.File("pasted")) << pasted;
  veneer.Send("stty raw -echo; echo paste''-now; head -c " + std::to_string(pasted.size()) +
              " >/tmp/p; stty sane; md5sum /tmp/p\n");
  ASSERT_TRUE(veneer.WaitForOutput("paste-now", BootLimit())) << veneer.out();
  veneer.Send(pasted);
  ChildProcess sum({"/usr/bin/md5sum", scratch.File("pasted")});
  EXPECT_EQ(sum.WaitForExit(BootLimit()), 0);
  EXPECT_TRUE(veneer.WaitForOutput(sum.out().substr(0, 32), BootLimit())) << veneer.out();

  // As `rtcwake -m freeze` does it.
  veneer.Send(
      "echo +3 >/sys/class/rtc/rtc0/wakealarm && echo freeze >/sys/power/state && "
      "echo $((6*7))-awake\n");
  EXPECT_TRUE(veneer.WaitForOutput("42-awake", BootLimit())) << veneer.out();
  veneer.Send("reboot -f\n");
  ASSERT_TRUE(veneer.WaitForOutput("reboot: Restarting system", BootLimit())) << veneer.out();
  // A second kernel introduces itself after the first said goodbye.
  const std::size_t goodbye = veneer.out().size();
  EXPECT_TRUE(veneer.WaitForOutput("Linux version", BootLimit(), goodbye)) << veneer.out();
  veneer.Signal(SIGTERM);
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 128 + SIGTERM) << veneer.err();
}

}  // namespace
}  // namespace veneer::test
