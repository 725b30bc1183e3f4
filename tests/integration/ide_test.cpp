// Emulated disks as Linux's own ata_piix uses them, alone and as twins of PV disks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/root_image.h"

namespace veneer::test {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// The hexadecimal digests in sha256sum's output for /f.
std::vector<std::string> Digests(const std::string& output) {
  constexpr std::size_t kDigits = 64;
  std::vector<std::string> digests;
  for (std::size_t at = output.find("  /f"); at != std::string::npos;
       at = output.find("  /f", at + 1)) {
    if (at >= kDigits) {
      digests.push_back(output.substr(at - kDigits, kDigits));
    }
  }
  return digests;
}

TEST(Ide, AGuestWithoutXenHasItsRootOnSda) {
  const ScratchDirectory scratch;
  const std::string disk = MakeRootImage(scratch);
  const std::string disc = scratch.File("disc.iso");
  MakeImage(disc, 1);

  ChildProcess veneer(RunCommand(
      EmulatedKernel(),
      "console=ttyS0 root=/dev/sda rw rootwait init=/init "
      "veneer.run=\"dd if=/dev/urandom of=/f bs=64k count=8 && sync && sha256sum /f && "
      "echo 3 >/proc/sys/vm/drop_caches && sha256sum /f; fstrim -v /; dmesg | grep ata; "
      "cat /sys/block/sda/queue/discard_granularity /proc/interrupts; "
      "mount -o remount,ro /\"",
      WithRootInitrd({"--xen", "off", "--disk", "path=" + disk + ",bus=ide,serial=ROOT-1", "--disk",
                      "path=" + disc + ",media=cdrom"},
                     EmulatedInitrd())));
  veneer.CloseInput();
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(
      veneer.out(),
      AllOf(HasSubstr(RootThroughInitrd() ? "EXT4-fs (sda): mounted" : "VFS: Mounted root (ext4"),
            HasSubstr("VENEER HARDDISK"), HasSubstr("65536 sectors, multi 16: LBA48"),
            HasSubstr("PATA max MWDMA2"), HasSubstr("ATAPI: VENEER CD-ROM"), HasSubstr("trimmed"),
            ContainsRegex(" 14: .*ata_piix"), HasSubstr("veneer: exit status 0")));
  EXPECT_THAT(veneer.out(), Not(AnyOf(HasSubstr("exception Emask"), HasSubstr("lost interrupt"))));
  const std::vector<std::string> digests = Digests(veneer.out());
  ASSERT_EQ(digests.size(), 2U);
  EXPECT_EQ(digests[0], digests[1]) << "from the cache, and from the disk";
  EXPECT_EQ(RunTool({"/sbin/e2fsck", "-fn", disk}), 0);
}

// The first disk has a twin, the second is on the IDE bus alone.
TEST(Ide, TwinsAreUnpluggedAtEachBoot) {
  const ScratchDirectory scratch;
  MakeImage(scratch.File("both"), 32);
  MakeImage(scratch.File("ide"), 16);
  ControlledGuest guest({"--disk", "path=" + scratch.File("both") + ",bus=both", "--disk",
                         "path=" + scratch.File("ide") + ",bus=ide"},
                        EmulatedKernel(), EmulatedInitrd());
  ASSERT_TRUE(guest.WaitForShell()) << guest.veneer().err();
  const auto only_pv_and_alone = AllOf(ContainsRegex("32768 xvda"), ContainsRegex("16384 sda"),
                                       Not(HasSubstr("sdb")), Not(ContainsRegex("32768 sd")));
  EXPECT_THAT(guest.Run("cat /proc/partitions"), only_pv_and_alone);
  EXPECT_THAT(guest.Run("dd if=/dev/urandom of=/dev/sda bs=64k count=4 && "
                        "dd if=/dev/sda of=/dev/xvda bs=64k count=4 && sync && "
                        "dd if=/dev/sda of=/f bs=64k count=4 && sha256sum /f && "
                        "dd if=/dev/xvda of=/f bs=64k count=4 && sha256sum /f"),
              HasSubstr("  /f"));
  const std::vector<std::string> digests = Digests(guest.veneer().out());
  ASSERT_EQ(digests.size(), 2U);
  EXPECT_EQ(digests[0], digests[1]);

  std::vector<std::string> listed;
  const nlohmann::json info = guest.Info();
  for (const nlohmann::json& disk : info["disks"]) {
    listed.push_back(disk["name"]);
  }
  EXPECT_THAT(listed, ElementsAre("xvda", "ide1")) << "ide0 is the one that is unplugged";

  const std::size_t rebooted = guest.veneer().out().size();
  guest.veneer().Send("reboot -f\n");
  ASSERT_TRUE(guest.veneer().WaitForOutput("Linux version", BootLimit(), rebooted));
  ASSERT_TRUE(guest.WaitForShell(guest.veneer().out().rfind("Linux version")))
      << guest.veneer().err();
  EXPECT_THAT(guest.Run("cat /proc/partitions"), only_pv_and_alone);
  EXPECT_EQ(guest.Ctl({"stop"}).code, 0);
  EXPECT_EQ(guest.veneer().WaitForExit(kToolLimit), 0) << guest.veneer().err();
}

// With --unplug never, and with each extension left out that a guest can do without.
TEST(Ide, SwitchesLeaveExtensionsOut) {
  const ScratchDirectory scratch;
  MakeImage(scratch.File("both"), 32);
  ChildProcess veneer(RunCommand(
      EmulatedKernel(),
      "console=ttyS0 veneer.run=\"cat /proc/partitions /proc/interrupts /proc/consoles "
      "/sys/devices/system/clocksource/clocksource0/current_clocksource; dmesg | grep -i xen\"",
      {"--initrd", EmulatedInitrd(), "--unplug", "never", "--pv", "time=off,console=off", "--disk",
       "path=" + scratch.File("both") + ",bus=both"}));
  veneer.CloseInput();
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.out(),
              AllOf(ContainsRegex("32768 xvda"), ContainsRegex("32768 sda"),
                    HasSubstr("Xen doesn't support pvclock on HVM"), Not(HasSubstr("timer0")),
                    Not(HasSubstr("\nxen\n")), Not(HasSubstr("hvc0")),
                    HasSubstr("Xen HVM callback vector for event delivery is enabled")));
}

}  // namespace
}  // namespace veneer::test
