// Guests that are booted from their disk, by the boot loader that is on it.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/controlled_guest.h"

namespace veneer::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DiskBoot : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Setting("VENEER_TEST_DISK_IMAGE", "").empty()) {
      GTEST_SKIP() << "VENEER_TEST_DISK_IMAGE is not set: disks are booted on hosts in a box";
    }
    ASSERT_EQ(RunTool({"/bin/cp", "--sparse=always", Needed("VENEER_TEST_DISK_IMAGE"), image_}), 0);
  }
  // What a guest prints that is booted from a copy of the image, to its end.
  std::string Boot(const std::vector<std::string>& options) {
    std::vector<std::string> argv{Veneer(), "run", image_, "--memory", "512M"};
    argv.insert(argv.end(), options.begin(), options.end());
    ChildProcess veneer(argv);
    EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
    err_ = veneer.err();
    return veneer.out();
  }

  const ScratchDirectory scratch_;
  const std::string image_ = scratch_.File("disk.img");
  std::string err_;
};

TEST_F(DiskBoot, ByGrubThroughPvDriversAlone) {
  const std::string out = Boot({"--boot", Needed("VENEER_TEST_GRUB"), "--cpus", "2"});
  EXPECT_THAT(out, AllOf(HasSubstr("/dev/xvda1 / ext4"), HasSubstr("\nxen"),
                         HasSubstr("/sys/block/xvda"), HasSubstr("exit status 0")))
      << err_;
  EXPECT_THAT(out, Not(HasSubstr("/sys/block/sda")));
}

TEST_F(DiskBoot, ByABiosWhoseDiskTheGuestUnplugs) {
  const std::string out = Boot({"--boot", Needed("VENEER_TEST_BIOS"), "--cpus", "2"});
  EXPECT_THAT(out, AllOf(HasSubstr("SeaBIOS"), HasSubstr("/dev/xvda1 / ext4"),
                         HasSubstr("/sys/block/xvda"), HasSubstr("exit status 0")))
      << err_;
  EXPECT_THAT(out, Not(HasSubstr("/sys/block/sda")));
}

// A boot order for it, since the disk could be booted as well.
TEST_F(DiskBoot, FromACdromByABios) {
  const std::string out = Boot({"--boot", Needed("VENEER_TEST_BIOS"), "--boot-order", "cdrom,disk",
                                "--disk", "path=" + Needed("VENEER_TEST_CDROM") + ",media=cdrom"});
  EXPECT_THAT(out, AllOf(HasSubstr("SeaBIOS"), HasSubstr("booted from CD"), HasSubstr("\nxen"),
                         Not(HasSubstr("/dev/xvda1 / ext4"))))
      << err_;
}

}  // namespace
}  // namespace veneer::test
