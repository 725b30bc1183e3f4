// What a Linux guest makes of the Xen interface, by what it says itself and by its own tools.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/controlled_guest.h"
#include "integration/host_kind.h"

namespace veneer::test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::chrono::seconds kToolLimit{60};

// A tool of Debian's xenstore-utils on the host, on the guest's xenstore.
std::string HostTool(const std::string& socket, const std::vector<std::string>& words) {
  std::vector<std::string> argv{"/usr/bin/env", "XENSTORED_PATH=" + socket};
  argv.insert(argv.end(), words.begin(), words.end());
  ChildProcess tool(argv);
  tool.CloseInput();
  EXPECT_EQ(tool.WaitForExit(kToolLimit), 0) << tool.err();
  return tool.out();
}

TEST(Xen, TwoVcpusWithTheShellOnThePvConsole) {
  const ScratchDirectory scratch;
  const std::string socket = scratch.File("xenstored");
  const std::string control = scratch.File("control");
  ChildProcess veneer(
      RunCommand(Needed("VENEER_TEST_KERNEL"), "console=hvc0",
                 {"--initrd", Needed("VENEER_TEST_XEN_INITRD"), "--cpus", "2", "--memory", "256M",
                  "--console", "stdio", "--xenstore-socket", socket, "--control-socket", control}));
  ASSERT_TRUE(veneer.WaitForOutput("# ", BootLimit())) << veneer.out() << veneer.err();
  Shell shell(veneer);

  EXPECT_THAT(shell.Run("dmesg | grep -i xen"),
              AllOf(HasSubstr("Hypervisor detected: Xen HVM"), HasSubstr("Xen version 4.17"),
                    HasSubstr("platform_pci_unplug: Netfront"),
                    HasSubstr(KvmDeliversEvents() ? "Using 2-level ABI" : "Using FIFO-based ABI"),
                    HasSubstr("Xen HVM callback vector for event delivery is enabled"),
                    HasSubstr("installing Xen timer for CPU 1"),
                    HasSubstr("Grant tables using version 1 layout")));
  EXPECT_THAT(
      shell.Run("cat /proc/interrupts"),
      AllOf(ContainsRegex("xen-percpu +-virq +timer0"), ContainsRegex("xen-percpu +-virq +timer1"),
            ContainsRegex("xen-percpu +-ipi +resched1"), ContainsRegex("xen-dyn +-event +xenbus")));
  EXPECT_THAT(shell.Run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource"),
              HasSubstr("\nxen"));
  EXPECT_THAT(shell.Run("cat /sys/devices/system/clockevents/clockevent1/current_device"),
              HasSubstr("\nxen"));
  EXPECT_THAT(shell.Run("cat /sys/hypervisor/type /sys/hypervisor/version/major "
                        "/sys/hypervisor/version/minor /sys/hypervisor/uuid"),
              AllOf(ContainsRegex("xen.*\n4.*\n17.*\n[0-9a-f]+-[0-9a-f]+-4")));

  // One tree, seen from inside and from outside.
  EXPECT_THAT(shell.Run("xenstore-ls /local/domain/1"), HasSubstr("control = \"\""));
  EXPECT_THAT(shell.Run("xenstore-write data/from-guest hello && xenstore-read data/from-guest"),
              HasSubstr("\nhello"));
  EXPECT_EQ(HostTool(socket, {"xenstore-read", "/local/domain/1/data/from-guest"}), "hello\n");
  EXPECT_THAT(HostTool(socket, {"xenstore-ls", "/local/domain/1"}),
              HasSubstr("from-guest = \"hello\""));
  // A watch fires once when it is set and once when the host writes, which it does until then.
  const std::size_t begin = veneer.out().size();
  veneer.Send("xenstore-watch -n 2 data/watched; echo two''-events\n");
  bool fired = false;
  for (int tries = 0; tries < 60 && !fired; ++tries) {
    HostTool(socket, {"xenstore-write", "/local/domain/1/data/watched", "seen"});
    fired = veneer.WaitForOutput("two-events", std::chrono::seconds(1), begin);
  }
  EXPECT_TRUE(fired) << veneer.out();
  EXPECT_THAT(shell.Run("xenstore-read data/watched"), HasSubstr("\nseen"));

  ChildProcess ctl({Veneer(), "ctl", "guest", "shutdown", "--socket", control});
  EXPECT_EQ(ctl.WaitForExit(kToolLimit), 0) << ctl.err();
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
}

// How events arrive is told by what /proc/interrupts counts them as.
void ExpectEventsBy(const std::string& callback, const std::string& line) {
  ChildProcess veneer(RunCommand(
      Needed("VENEER_TEST_KERNEL"),
      "console=ttyS0 veneer.run=\"veneer-report; cat /proc/interrupts; dmesg\"",
      {"--initrd", Needed("VENEER_TEST_INITRD"), "--cpus", "2", "--callback", callback}));
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.out(), AllOf(HasSubstr("report: ok"), HasSubstr("report: cpus 2"),
                                  HasSubstr("Hypervisor detected: Xen"),
                                  ContainsRegex("-event +xenbus"), ContainsRegex(line)));
}

// A guest that the host leaves to itself: who has dealt with its timer tells which way it took.
long long TimerSettings(const std::vector<std::string>& options) {
  const ScratchDirectory scratch;
  const std::string metrics_file = scratch.File("metrics.json");
  std::vector<std::string> all{
      "--initrd", Needed("VENEER_TEST_INITRD"), "--cpus", "2", "--metrics", metrics_file};
  all.insert(all.end(), options.begin(), options.end());
  ChildProcess veneer(RunCommand(Needed("VENEER_TEST_KERNEL"),
                                 "console=ttyS0 veneer.run=\"veneer-report; sleep 1\"", all));
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.out(), AllOf(HasSubstr("report: ok"), HasSubstr("report: cpus 2")));
  std::ifstream file(metrics_file);
  const auto counters = nlohmann::json::parse(file)["counters"];
  return counters.value("hypercall.vcpu_op.set_singleshot_timer", 0LL);
}

TEST(Xen, TimersStayInTheKernelWhereKvmHasXenSupport) {
  const long long settings = TimerSettings({});
  if (KvmDeliversEvents()) {
    EXPECT_EQ(settings, 0);
  } else {
    EXPECT_GT(settings, 50);
  }
}

TEST(Xen, TimersAreVeneersWithoutKvmsXenSupport) {
  EXPECT_GT(TimerSettings({"--kvm-xen", "off", "--event-abi", "2-level"}), 50);
}

TEST(Xen, EventsByTheVectorWithoutEoi) {
  ExpectEventsBy("vector", "callback vector for event delivery is enabled");
}

TEST(Xen, EventsByThePlatformDevicesInterrupt) {
  ExpectEventsBy("intx", "IO-APIC +[0-9]+-fasteoi +xen-platform-pci");
}

TEST(Xen, WithoutXenTheGuestIsOnPlainKvm) {
  ChildProcess veneer(
      RunCommand(Needed("VENEER_TEST_KERNEL"),
                 "console=ttyS0 veneer.run=\"veneer-report; ls /sys/hypervisor\"",
                 {"--initrd", Needed("VENEER_TEST_INITRD"), "--xen", "off", "--cpus", "2"}));
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.out(), AllOf(HasSubstr("report: ok"), HasSubstr("report: cpus 2"),
                                  Not(HasSubstr("Xen HVM"))));
}

}  // namespace
}  // namespace veneer::test
