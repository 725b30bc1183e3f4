#include "src/vmm/cli/pv_switches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::HasSubstr;

TEST(PvSwitches, EachIsItsOwn) {
  const auto none = ParsePvSwitches("disk=on");
  ASSERT_TRUE(none.has_value());
  EXPECT_TRUE(none->disk && none->net && none->time && none->console && none->callback);
  EXPECT_FALSE(ParsePvSwitches("disk=off")->disk);
  EXPECT_FALSE(ParsePvSwitches("net=off")->net);
  const auto three = ParsePvSwitches("time=off,console=off,callback=off");
  ASSERT_TRUE(three.has_value());
  EXPECT_FALSE(three->time || three->console || three->callback);
  EXPECT_TRUE(three->disk && three->net);
}

TEST(PvSwitches, SaysWhatIsWrong) {
  EXPECT_THAT(ParsePvSwitches("").error().message, HasSubstr("there is no key ''"));
  EXPECT_THAT(ParsePvSwitches("disk=off,").error().message, HasSubstr("there is no key ''"));
  EXPECT_THAT(ParsePvSwitches("cpu=off").error().message,
              HasSubstr("the keys are disk, net, time, console, callback"));
  EXPECT_EQ(ParsePvSwitches("time=no").error().message, "time=no is neither on nor off");
  EXPECT_THAT(ParsePvSwitches("time").error().message, HasSubstr("time=VALUE"));
  EXPECT_THAT(ParsePvSwitches("net=off,net=off").error().message, HasSubstr("given twice"));
}

TEST(PvSwitches, WhatIsLeftWithoutAWayIsRefused) {
  MachineConfig config;
  config.disks.resize(1);
  config.disks[0].path = "a";
  EXPECT_TRUE(CheckPvSwitches(config));
  config.xen.pv.disk = false;
  EXPECT_EQ(CheckPvSwitches(config).error().message,
            "--disk: with --pv disk=off the guest has no PV disks; give 'a' bus=ide, or "
            "bus=both");
  config.disks[0].bus = DiskBus::kBoth;
  EXPECT_TRUE(CheckPvSwitches(config));
  EXPECT_FALSE(ShownAsPv(config, config.disks[0]));

  config.xen.pv.console = false;
  EXPECT_TRUE(CheckPvSwitches(config));
  config.xen.console.kind = CharacterTarget::Kind::kStdio;
  EXPECT_THAT(CheckPvSwitches(config).error().message, HasSubstr("there is no PV console"));
  config.xen.pv.console = true;

  config.xen.pv.callback = false;
  EXPECT_TRUE(CheckPvSwitches(config));
  config.xen.callback = CallbackChoice::kVector;
  EXPECT_FALSE(CheckPvSwitches(config));
}

}  // namespace
}  // namespace veneer
