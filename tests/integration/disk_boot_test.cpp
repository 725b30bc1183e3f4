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

// What the guest reads in its SMBIOS tables.
constexpr const char* kSystem = "\nXen\r\nHVM domU\r\none UUID\r\n";

struct Image {
  std::string name;
  const char* variable;  // with its path
  const char* machine;   // what is in its boot messages
};

class DiskBoot : public ::testing::TestWithParam<Image> {
 protected:
  void SetUp() override {
    if (Setting(GetParam().variable, "").empty()) {
      GTEST_SKIP() << GetParam().variable << " is not set: disks are booted on hosts in a box";
    }
    ASSERT_EQ(RunTool({"/bin/cp", "--sparse=always", Needed(GetParam().variable), image_}), 0);
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
  // Of a system that has its root on the PV disk, and no other disk.
  void ExpectPvDisk(const std::string& out) const {
    EXPECT_THAT(out, AllOf(HasSubstr(GetParam().machine), HasSubstr("/dev/xvda1 / ext4"),
                           HasSubstr("\nxen"), HasSubstr("/sys/block/xvda"), HasSubstr(kSystem),
                           HasSubstr("exit status 0")))
        << err_;
    EXPECT_THAT(out, Not(HasSubstr("/sys/block/sda")));
  }

  const ScratchDirectory scratch_;
  const std::string image_ = scratch_.File("disk.img");
  std::string err_;
};

TEST_P(DiskBoot, ByGrubThroughPvDriversAlone) {
  ExpectPvDisk(Boot({"--boot", Needed("VENEER_TEST_GRUB"), "--cpus", "2"}));
}

TEST_P(DiskBoot, ByABiosWhoseDiskTheGuestUnplugs) {
  const std::string out = Boot({"--boot", Needed("VENEER_TEST_BIOS"), "--cpus", "2"});
  EXPECT_THAT(out, HasSubstr("SeaBIOS"));
  ExpectPvDisk(out);
}

INSTANTIATE_TEST_SUITE_P(Debian, DiskBoot,
                         ::testing::Values(Image{"Amd64", "VENEER_TEST_DISK_IMAGE", "x86_64"},
                                           Image{"I386", "VENEER_TEST_I386_DISK_IMAGE", "i686"}),
                         [](const auto& param_info) { return param_info.param.name; });

// In a boot order, since the disk could be booted as well.
TEST(CdromBoot, ByABios) {
  if (Setting("VENEER_TEST_CDROM", "").empty()) {
    GTEST_SKIP() << "VENEER_TEST_CDROM is not set: CD-ROMs are booted on hosts in a box";
  }
  ChildProcess veneer({Veneer(), "run", Needed("VENEER_TEST_DISK_IMAGE"), "--disk",
                       "path=" + Needed("VENEER_TEST_CDROM") + ",media=cdrom", "--memory", "512M",
                       "--boot", Needed("VENEER_TEST_BIOS"), "--boot-order", "cdrom,disk"});
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.out(),
              AllOf(HasSubstr("SeaBIOS"), HasSubstr("booted from CD"), HasSubstr("\nxen")))
      << veneer.err();
}

}  // namespace
}  // namespace veneer::test
