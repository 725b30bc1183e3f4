// The disk that tells a cloud image who it is, as a guest finds it.
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/root_image.h"

namespace veneer::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(CloudInit, TheSeedIsADiskOfTheGuestInEachOfItsLives) {
  if (!RootThroughInitrd()) {
    GTEST_SKIP() << "the small test kernel does not know CD-ROM file systems";
  }
  const ScratchDirectory scratch;
  const std::string user = scratch.File("user-data");
  std::ofstream(user) << "#cloud-config\npackages: [vim]\n";
  const std::string key = scratch.File("id.pub");
  std::ofstream(key) << "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample me@here\n";
  const std::string disk = scratch.File("disk.img");
  MakeImage(disk, 8);
  ControlledGuest guest({"--memory", "256M", "--disk", "path=" + disk, "--cloud-init",
                         "user-data=" + user + ",hostname=front", "--ssh-key", key});
  std::size_t seen = 0;
  for (int life = 0; life < 2; ++life) {
    ASSERT_TRUE(guest.veneer().WaitForOutput("Linux version", BootLimit(), seen) &&
                guest.WaitForShell(guest.veneer().out().size()))
        << guest.veneer().err();
    EXPECT_THAT(
        guest.Run("mount -t iso9660 -o ro /dev/xvdb /mnt; cat /mnt/*; "
                  "cat /sys/block/xvdb/ro"),
        AllOf(HasSubstr("packages: [vim]"), HasSubstr("\"local-hostname\": \"front\""),
              HasSubstr("\"instance-id\": \"guest\""), HasSubstr("me@here"), HasSubstr("\n1")));
    seen = guest.veneer().out().size();
    guest.veneer().Send("reboot -f\n");
  }
}

}  // namespace
}  // namespace veneer::test
