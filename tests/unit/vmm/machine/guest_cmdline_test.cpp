#include "src/vmm/machine/guest_cmdline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Added(std::string_view cmdline, bool emulated) {
  return WithAdditions("", CmdlineAdditions(cmdline, {.emulated_kernel = emulated}));
}

TEST(HasParameter, FindsWholeNamesOnly) {
  EXPECT_TRUE(HasParameter("quiet panic=5", "panic"));
  EXPECT_TRUE(HasParameter("panic", "panic"));
  EXPECT_FALSE(HasParameter("panic_on_oops=1", "panic"));
  EXPECT_FALSE(HasParameter("dont_panic=1", "panic"));
  EXPECT_FALSE(HasParameter("", "panic"));
}

TEST(HasParameter, KeepsQuotedValuesTogether) {
  EXPECT_FALSE(HasParameter("veneer.run=\"echo panic now\"", "panic"));
  EXPECT_TRUE(HasParameter("veneer.run=\"echo a\" panic=1", "panic"));
  EXPECT_FALSE(HasParameter("x=\"never closed panic=1", "panic"));
}

TEST(HasParameter, StopsAtInitsArguments) {
  EXPECT_FALSE(HasParameter("quiet -- panic=1", "panic"));
}

TEST(CmdlineAdditions, MakePanicsVisibleEverywhere) {
  EXPECT_EQ(Added("", false), "panic=-1 reboot=panic_warm");
}

TEST(CmdlineAdditions, LeaveAloneWhatTheUserDecided) {
  EXPECT_EQ(Added("panic=30", false), "reboot=panic_warm");
  EXPECT_EQ(Added("reboot=t panic=0", false), "");
  EXPECT_THAT(Added("clearcpuid=foo", true), Not(HasSubstr("clearcpuid")));
}

TEST(CmdlineAdditions, TakeFeaturesFromInterpretedKernelsOnly) {
  EXPECT_THAT(Added("", true), HasSubstr("clearcpuid="));
  EXPECT_THAT(Added("", false), Not(HasSubstr("clearcpuid")));
}

TEST(CmdlineAdditions, NameFeaturesByTheNumbersOldKernelsTakeToo) {
  // 4 * 32 + 26 is XSAVE, 9 * 32 + 20 SMAP.
  EXPECT_THAT(Added("", true), HasSubstr(",154,"));
  EXPECT_THAT(Added("", true), HasSubstr(",308,"));
}

TEST(CmdlineAdditions, HaveNoWordThatAKernelWouldHandToInit) {
  // Linux passes words on that it does not know, unless they have a '=' or a '.'.
  for (const CmdlineAddition& addition : CmdlineAdditions("", {.emulated_kernel = true})) {
    EXPECT_THAT(addition.text, ::testing::ContainsRegex("[.=]"));
  }
}

TEST(CmdlineAdditions, HaveAddedMemoryUsedAtOnce) {
  const CmdlineNeeds grows{.memory_grows = true};
  EXPECT_THAT(WithAdditions("", CmdlineAdditions("", grows)),
              HasSubstr("memhp_default_state=online"));
  EXPECT_THAT(WithAdditions("", CmdlineAdditions("memhp_default_state=offline", grows)),
              Not(HasSubstr("memhp_default_state")));
  EXPECT_THAT(Added("", true), Not(HasSubstr("memhp_default_state")));
}

TEST(CmdlineAdditions, SayThatThereIsNoVectorWhereVcpusShareALine) {
  const CmdlineNeeds line{.shares_event_line = true};
  EXPECT_THAT(WithAdditions("", CmdlineAdditions("", line)), HasSubstr("xen_no_vector_callback"));
  EXPECT_THAT(Added("", true), Not(HasSubstr("xen_no_vector_callback")));
}

TEST(CmdlineAdditions, GiveAReasonForEach) {
  for (const CmdlineAddition& addition : CmdlineAdditions("", {.emulated_kernel = true})) {
    EXPECT_FALSE(addition.reason.empty()) << addition.text;
  }
}

TEST(WithAdditions, PutsTheUsersWordsLast) {
  EXPECT_EQ(WithAdditions("console=ttyS0 -- arg", {{"panic=-1", "because"}}),
            "panic=-1 console=ttyS0 -- arg");
  EXPECT_EQ(WithAdditions("", {{"a", ""}, {"b", ""}}), "a b");
}

}  // namespace
}  // namespace veneer
