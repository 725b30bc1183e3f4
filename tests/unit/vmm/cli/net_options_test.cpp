// --net among the other options of `veneer run`.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run_options_fixture.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;

class NetOptionsTest : public RunOptionsTest {};

TEST_F(NetOptionsTest, Repeats) {
  Parse("--kernel k --net user,hostfwd=tcp::8080-:80 --cpus 2 --net tap=tap3");
  ASSERT_EQ(options_.machine.nics.size(), 2U);
  EXPECT_EQ(std::get<UserNet>(options_.machine.nics[0].link).forwards.size(), 1U);
  EXPECT_EQ(std::get<TapNet>(options_.machine.nics[1].link).name, "tap3");
}

TEST_F(NetOptionsTest, SaysWhatIsWrong) {
  EXPECT_THAT(Refusal("--kernel k --net user,size=3"), HasSubstr("there is no key 'size'"));
  EXPECT_THAT(Refusal("--kernel k --net bridge"), HasSubstr("is not tap"));
}

TEST_F(NetOptionsTest, NeedsXen) {
  EXPECT_THAT(Refusal("--kernel k --xen off --net user"), HasSubstr("has no PV NICs"));
}

TEST_F(NetOptionsTest, NeedsPvNics) {
  EXPECT_THAT(Refusal("--kernel k --pv net=off --net user"), HasSubstr("give it model=e1000"));
}

TEST_F(NetOptionsTest, EmulatedNicsNeedNoXen) {
  Parse("--kernel k --xen off --net user,model=e1000 --net user,model=both");
  EXPECT_FALSE(ShownAsPv(options_.machine, options_.machine.nics.back()));
  EXPECT_TRUE(ShownAsE1000(options_.machine.nics.back()));
}

}  // namespace
}  // namespace veneer
