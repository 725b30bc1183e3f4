// vCPUs that come and go while the guest runs, as a user has them do it with `veneer ctl`.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/controlled_guest.h"

namespace veneer::test {
namespace {

using ::testing::HasSubstr;

// Does what udev does on a distribution: takes new processors into use.
constexpr char kOnlineNewCpus[] =
    "{ while sleep 1; do for cpu in /sys/devices/system/cpu/cpu*/online; do "
    "read -r on <$cpu && [ $on = 1 ] || echo 1 >$cpu; done 2>/dev/null; done & }";

// A guest whose processors are watched, from inside and outside.
class CpuGuest : public ControlledGuest {
 public:
  using ControlledGuest::ControlledGuest;

  // Until Linux uses the first `count` processors and no other.
  bool WaitForCpus(unsigned count) {
    const std::string range = count == 1 ? "0" : "0-" + std::to_string(count - 1);
    const std::string out = Run("until [ $(cat /sys/devices/system/cpu/online) = " + range +
                                " ]; do sleep 1; done; head -n 1 /proc/interrupts | wc -w");
    return out.find("\n" + std::to_string(count)) != std::string::npos;
  }
  // On which processor a program runs that may use `cpu` only.
  std::string RunsOn(unsigned cpu) {
    return Run("taskset " + std::to_string(1U << cpu) +
               " cut -d ' ' -f 39 /proc/self/stat | sed 's/^/on cpu /'");
  }
  std::string Availability(unsigned cpu) const {
    const std::string text = Ctl({"xenstore-ls"}).out;
    const std::size_t cpus = text.find("   cpu = ");
    const std::size_t at = text.find("    " + std::to_string(cpu) + " = ", cpus);
    return at == std::string::npos ? text : text.substr(at, text.find("line\"", at) - at);
  }
};

TEST(CpuHotplug, VcpusComeAndGoUnderLoad) {
  CpuGuest guest({"--memory", GuestMemory(128), "--cpus", "1", "--cpus-max", "4"});
  ASSERT_TRUE(guest.WaitForShell()) << guest.veneer().err();
  EXPECT_EQ(guest.Ctl({"cpus"}).out, "1 given, 1 online, 4 possible\n");
  EXPECT_THAT(guest.Run("cat /sys/devices/system/cpu/possible"), HasSubstr("0-3"));
  EXPECT_THAT(guest.Ctl({"cpus", "5"}).err, HasSubstr("1 to 4 vCPUs (--cpus-max)"));
  EXPECT_THAT(guest.Ctl({"cpus", "0"}).err, HasSubstr("1 to 4"));

  guest.Run(kOnlineNewCpus);
  guest.Run("{ while :; do md5sum /bin/busybox; done >/dev/null & }");
  for (const unsigned count : {4U, 2U, 4U}) {
    EXPECT_EQ(guest.Ctl({"cpus", std::to_string(count)}).code, 0);
    ASSERT_TRUE(guest.WaitForCpus(count)) << count << '\n' << guest.veneer().out();
    EXPECT_EQ(guest.Info()["vcpus_online"], count);
    for (unsigned cpu = 0; cpu < count; ++cpu) {
      EXPECT_THAT(guest.RunsOn(cpu), HasSubstr("on cpu " + std::to_string(cpu)));
    }
    EXPECT_THAT(guest.Availability(count - 1), HasSubstr("\"on"));
    EXPECT_THAT(guest.Availability(3), HasSubstr(count == 4 ? "\"on" : "\"off"));
  }

  // A reboot keeps what was asked for last.
  EXPECT_EQ(guest.Ctl({"cpus", "2"}).code, 0);
  ASSERT_TRUE(guest.WaitForCpus(2)) << guest.veneer().out();
  const std::size_t seen = guest.veneer().out().size();
  EXPECT_EQ(guest.Ctl({"reboot"}).code, 0);
  ASSERT_TRUE(guest.veneer().WaitForOutput("Linux version", BootLimit(), seen));
  ASSERT_TRUE(guest.WaitForShell(guest.veneer().out().size())) << guest.veneer().out();
  EXPECT_THAT(guest.Run("cat /sys/devices/system/cpu/online"), HasSubstr("0-1"));
  EXPECT_EQ(guest.Ctl({"cpus"}).out, "2 given, 2 online, 4 possible\n");
  EXPECT_EQ(guest.Ctl({"stop"}).code, 0);
  EXPECT_EQ(guest.veneer().WaitForExit(kCtlLimit), 0);
}

}  // namespace
}  // namespace veneer::test
