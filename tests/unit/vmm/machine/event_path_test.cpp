#include "src/vmm/machine/event_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::HasSubstr;

TEST(EventPath, LeadsThroughTheKernelWhereKvmCan) {
  const EventPath path = ChooseEventPath({}, true, false);
  EXPECT_TRUE(path.in_kernel);
  EXPECT_FALSE(path.fifo);
  EXPECT_EQ(TransportName(path), "KVM interception");
  EXPECT_EQ(EventsName(path), "2-level, delivered by KVM");
}

TEST(EventPath, IsVeneersOwnWhereKvmCannot) {
  const EventPath path = ChooseEventPath({}, false, false);
  EXPECT_FALSE(path.in_kernel);
  EXPECT_TRUE(path.fifo);
  EXPECT_EQ(TransportName(path), "rewritten call sites and port page");
  EXPECT_EQ(EventsName(path), "FIFO or 2-level, delivered by Veneer");
}

TEST(EventPath, IsVeneersOwnWhereGuestKernelsAreInterpreted) {
  EXPECT_FALSE(ChooseEventPath({}, true, true).in_kernel);
}

TEST(EventPath, IsVeneersOwnIfTheUserSaysSo) {
  XenConfig config;
  config.kvm_xen = KvmXen::kOff;
  const EventPath path = ChooseEventPath(config, true, false);
  EXPECT_FALSE(path.in_kernel);
  EXPECT_TRUE(path.fifo);
  EXPECT_THAT(path.reason, HasSubstr("--kvm-xen off"));
}

TEST(EventPath, TheAbiCanBeChosen) {
  XenConfig config;
  config.event_abi = EventAbi::kFifo;
  const EventPath fifo = ChooseEventPath(config, true, false);
  EXPECT_FALSE(fifo.in_kernel);
  EXPECT_TRUE(fifo.fifo);
  config.event_abi = EventAbi::k2Level;
  EXPECT_TRUE(ChooseEventPath(config, true, false).in_kernel);
  const EventPath two_level = ChooseEventPath(config, false, false);
  EXPECT_FALSE(two_level.fifo);
  EXPECT_EQ(EventsName(two_level), "2-level, delivered by Veneer");
}

TEST(EventPath, IsVeneersOwnForIntxWhichKvmCannotRaise) {
  XenConfig intx;
  intx.callback = CallbackChoice::kIntx;
  EXPECT_FALSE(ChooseEventPath(intx, true, false).in_kernel);
  XenConfig no_callback;
  no_callback.pv.callback = false;
  EXPECT_FALSE(ChooseEventPath(no_callback, true, false).in_kernel);
  XenConfig vector;
  vector.callback = CallbackChoice::kVector;
  EXPECT_TRUE(ChooseEventPath(vector, true, false).in_kernel);
}

}  // namespace
}  // namespace veneer
