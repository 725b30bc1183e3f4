// PV disks as Linux's own blkfront uses them.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/environment.h"
#include "support/child_process.h"

namespace veneer::test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kToolLimit{60};

int RunTool(const std::vector<std::string>& argv) {
  ChildProcess tool(argv);
  tool.CloseInput();
  return tool.WaitForExit(kToolLimit);
}

TEST(Disk, AFileSystemSurvivesAndAReadOnlyDiskRefuses) {
  const ScratchDirectory scratch;
  const std::string disk = scratch.File("disk.img");
  const std::string locked = scratch.File("locked.img");
  std::ofstream(disk).close();
  std::ofstream(locked).close();
  std::filesystem::resize_file(disk, 64U << 20U);
  std::filesystem::resize_file(locked, 1U << 20U);
  ASSERT_EQ(RunTool({"/sbin/mkfs.ext4", "-q", "-F", disk}), 0);

  ChildProcess veneer(RunCommand(
      Needed("VENEER_TEST_KERNEL"),
      "console=ttyS0 veneer.run=\"mount /dev/xvda /mnt && dd if=/dev/urandom of=/mnt/f bs=64k "
      "count=4 && sync && sha256sum /mnt/f && umount /mnt && mount /dev/xvda /mnt && "
      "sha256sum /mnt/f; umount /mnt; cat /sys/block/xvdb/ro; "
      "echo x >/dev/xvdb; cat /proc/interrupts\"",
      {"--initrd", Needed("VENEER_TEST_INITRD"), "--disk", "path=" + disk, "--disk",
       "path=" + locked + ",readonly=on"}));
  veneer.CloseInput();
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.out(), AllOf(HasSubstr("write error: Operation not permitted"),
                                  ContainsRegex("xen-dyn.* +blkif")));
  // The same sum before the file system was unmounted and after.
  const std::size_t first = veneer.out().find("  /mnt/f");
  const std::size_t second = veneer.out().rfind("  /mnt/f");
  ASSERT_NE(first, std::string::npos);
  ASSERT_NE(first, second);
  EXPECT_EQ(veneer.out().substr(first - 64, 64), veneer.out().substr(second - 64, 64));
  EXPECT_EQ(RunTool({"/sbin/e2fsck", "-fn", disk}), 0);
}

}  // namespace
}  // namespace veneer::test
