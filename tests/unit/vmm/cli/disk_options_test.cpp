// --disk among the other options of `veneer run`.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run_options_fixture.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;

class DiskOptionsTest : public RunOptionsTest {};

TEST_F(DiskOptionsTest, Repeats) {
  Parse("--kernel k --disk path=a,readonly=on --cpus 2 --disk path=b,vdev=xvdz");
  ASSERT_EQ(options_.machine.disks.size(), 2U);
  EXPECT_EQ(options_.machine.disks[0].path, "a");
  EXPECT_TRUE(options_.machine.disks[0].readonly);
  EXPECT_EQ(options_.machine.disks[1].path, "b");
  EXPECT_EQ(options_.machine.disks[1].vdev, "xvdz");
}

TEST_F(DiskOptionsTest, SaysWhatIsWrong) {
  EXPECT_THAT(Refusal("--kernel k --disk path=a,size=3"), HasSubstr("there is no key 'size'"));
}

TEST_F(DiskOptionsTest, NeedsXen) {
  EXPECT_THAT(Refusal("--kernel k --xen off --disk path=a"),
              HasSubstr("without Xen (--xen off) the guest has no PV disks; give 'a' bus=ide"));
}

TEST_F(DiskOptionsTest, IdeDisksNeedNoXen) {
  Parse("--kernel k --xen off --disk path=a,bus=ide --disk path=b,bus=both");
  EXPECT_EQ(options_.machine.disks[0].bus, DiskBus::kIde);
  EXPECT_FALSE(ShownAsPv(options_.machine, options_.machine.disks[1]));
  EXPECT_TRUE(ShownAsIde(options_.machine.disks[1]));
}

}  // namespace
}  // namespace veneer
