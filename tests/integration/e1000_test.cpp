// Emulated NICs as Linux's own e1000 driver uses them, alone and as twins of PV NICs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/controlled_guest.h"

namespace veneer::test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

// DHCP and a look at the other end of the user-mode network.
constexpr const char* kUseEth0 = "udhcpc -n -q -i eth0; ping -c 2 10.0.2.2; cat /proc/interrupts; ";

TEST(E1000, AGuestWithoutXenIsOnTheNetwork) {
  ChildProcess veneer(
      RunCommand(EmulatedKernel(),
                 "console=ttyS0 veneer.run=\"" + std::string(kUseEth0) +
                     // Replies in several frames, and in a large one once the guest takes those.
                     "ping -c 1 -s 4000 10.0.2.2 && echo small-frames; "
                     "ip link set eth1 mtu 9000; udhcpc -n -q -i eth1; "
                     "ping -c 1 -s 8000 10.0.3.2 && echo large-frames; "
                     "ip link set eth1 down; ip link set eth1 mtu 1500; ip link set eth1 up; "
                     "ping -c 1 -W 2 -s 8000 10.0.3.2; dmesg | grep -i e1000\"",
                 {"--initrd", EmulatedInitrd(), "--xen", "off", "--net",
                  "user,model=e1000,mac=52:54:00:12:34:56", "--net",
                  "user,model=e1000,net=10.0.3.0/24,mtu=9000"}));
  veneer.CloseInput();
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.out(),
              AllOf(ContainsRegex("e1000 .*52:54:00:12:34:56"),
                    HasSubstr("NIC Link is Up 1000 Mbps Full Duplex"),
                    HasSubstr("dhcp: eth0 10.0.2.15/24"), HasSubstr("2 packets received"),
                    ContainsRegex("IO-APIC.*eth0"), HasSubstr("small-frames"),
                    HasSubstr("large-frames"), Not(HasSubstr("Detected Tx Unit Hang"))));
  EXPECT_THAT(veneer.err(), HasSubstr("the guest's driver takes 1514"));
}

TEST(E1000, TheTwinIsUnpluggedAndItsLinkUsedByThePvNic) {
  ChildProcess veneer(RunCommand(EmulatedKernel(),
                                 "console=ttyS0 veneer.run=\"" + std::string(kUseEth0) +
                                     "ls /sys/class/net; cat /sys/bus/pci/devices/*/device; "
                                     "ls -l /sys/class/net/eth0/device/driver\"",
                                 {"--initrd", EmulatedInitrd(), "--net", "user,model=both"}));
  veneer.CloseInput();
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.out(), AllOf(HasSubstr("2 packets received"), HasSubstr("xen/drivers/vif"),
                                  Not(HasSubstr("0x100e")), Not(HasSubstr("eth1"))));
}

}  // namespace
}  // namespace veneer::test
