// The step from emulated devices to PV devices: one image, booted both ways.
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/root_image.h"

namespace veneer::test {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

// What leaves PV disks and NICs out of a guest's sight. VENEER_TEST_WITHOUT_PV has other options
// for kernels that do not get on without Xen's timer where they are interpreted.
std::vector<std::string> WithoutPv() {
  std::istringstream words(Setting("VENEER_TEST_WITHOUT_PV", "--xen off"));
  std::vector<std::string> options;
  for (std::string word; words >> word;) {
    options.push_back(word);
  }
  return options;
}

// Boots the image, runs `command` with the root writable, shows what the devices are, and uses the
// network; the console's output.
std::string Boot(const std::string& image, const std::string& device, const std::string& command,
                 std::vector<std::string> options) {
  options = WithRootInitrd(std::move(options), EmulatedInitrd());
  options.insert(options.end(),
                 {"--disk", "path=" + image + ",bus=both", "--net", "user,model=both"});
  ChildProcess veneer(RunCommand(
      EmulatedKernel(),
      "console=ttyS0 root=" + device + " rw rootwait init=/init veneer.run=\"" + command +
          "; cat /proc/mounts /proc/partitions; ls /sys/class/net; "
          "ls -l /sys/class/net/eth0/device/driver; cat /sys/bus/pci/devices/*/device; "
          "udhcpc -n -q -i eth0; ping -c 2 10.0.2.2; mount -o remount,ro /\"",
      options));
  veneer.CloseInput();
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err() << veneer.out();
  EXPECT_THAT(veneer.out(),
              AllOf(HasSubstr("dhcp: eth0 10.0.2.15/24"), HasSubstr("2 packets received"),
                    Not(HasSubstr("eth1")), HasSubstr("veneer: exit status 0")));
  return veneer.out();
}

TEST(Progressive, OneImageBootsWithEmulatedDevicesAndWithPvDevices) {
  const ScratchDirectory scratch;
  const std::string image = MakeRootImage(scratch);

  EXPECT_THAT(Boot(image, "/dev/sda",
                   "dd if=/dev/urandom of=/f bs=64k count=8 && sha256sum /f >/sum", WithoutPv()),
              AllOf(ContainsRegex("/dev/(sda|root) / ext4"), ContainsRegex("32768 sda"),
                    HasSubstr("drivers/e1000"), HasSubstr("0x100e"), Not(HasSubstr("xvda"))));
  EXPECT_EQ(RunTool({"/sbin/e2fsck", "-fn", image}), 0);

  EXPECT_THAT(Boot(image, "/dev/xvda", "sha256sum -c /sum", {}),
              AllOf(HasSubstr("/f: OK"), ContainsRegex("/dev/(xvda|root) / ext4"),
                    ContainsRegex("32768 xvda"), HasSubstr("drivers/vif"),
                    Not(AnyOf(ContainsRegex("32768 sd"), HasSubstr("0x100e")))));
  EXPECT_EQ(RunTool({"/sbin/e2fsck", "-fn", image}), 0);
}

}  // namespace
}  // namespace veneer::test
