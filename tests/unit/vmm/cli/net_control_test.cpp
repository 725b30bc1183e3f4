#include "src/vmm/cli/net_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device_control_fixture.h"
#include "support/host_sockets.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NetControlTest : public DeviceControlTest<NetControl, Nics, NetConfig, unsigned> {
 protected:
  NetControlTest() {
    devices_ =
        std::make_unique<Nics>(NetBackend::Parts{guest_.store, *guest_.events, *guest_.grants,
                                                 guest_.metrics, guest_.poster()},
                               "web");
  }

  std::string Describe(const NetConfig& config) const override {
    return fmt::format("{} {}", config.number.value(), ToString(config.mac.value()));
  }
};

TEST_F(NetControlTest, TheConfigurationFollowsForTheNextBoot) {
  const std::string zero = "0 " + ToString(DefaultMac(OwnerIdentity(), "web", 0));
  configs_ = {ParseNet("user").value()};  // without number and address, as the user may leave it
  guest_.OnControl([&] { ASSERT_TRUE(devices_->Add(configs_[0])); });
  Make();
  EXPECT_THAT(Configured(), ElementsAre(zero));
  EXPECT_EQ(Add("user,mac=52:54:00:12:34:56").value(), 1U);
  EXPECT_THAT(Configured(), ElementsAre(zero, "1 52:54:00:12:34:56"));
  EXPECT_TRUE(Remove(0));
  EXPECT_THAT(Configured(), ElementsAre("1 52:54:00:12:34:56"));
  EXPECT_EQ(Add("user").value(), 0U) << "the first that is free, with its own address again";
  EXPECT_THAT(Configured(), ElementsAre(zero, "1 52:54:00:12:34:56"));
}

TEST_F(NetControlTest, EmulatedNicsStayInTheConfiguration) {
  configs_ = {ParseNet("user,model=e1000,mac=52:54:00:00:00:01").value(),
              ParseNet("user,mac=52:54:00:00:00:02").value()};
  std::vector<NetConfig> numbered = configs_;
  ASSERT_TRUE(IdentifyNics("web", numbered));
  guest_.OnControl([&] { ASSERT_EQ(devices_->Add(numbered[1]).value(), 1U); });
  Make();
  EXPECT_EQ(Add("user,mac=52:54:00:00:00:03").value(), 2U);
  EXPECT_THAT(Configured(),
              ElementsAre("0 52:54:00:00:00:01", "1 52:54:00:00:00:02", "2 52:54:00:00:00:03"));
  EXPECT_TRUE(Remove(1));
  EXPECT_THAT(Configured(), ElementsAre("0 52:54:00:00:00:01", "2 52:54:00:00:00:03"));
  EXPECT_THAT(Add("user,model=both").error().message, HasSubstr("emulated NIC cannot be added"));
  EXPECT_THAT(Add("user,mac=52:54:00:00:00:01").error().message,
              HasSubstr("NIC 0 has the address 52:54:00:00:00:01 already"));
}

TEST_F(NetControlTest, ListsWhatThereIs) {
  Make();
  ASSERT_TRUE(Add("user,mac=52:54:00:12:34:56"));
  std::vector<GuestInfo::Nic> list;
  guest_.OnControl([&] { list = control_->List(); });
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].number, 0U);
  EXPECT_EQ(list[0].mac, "52:54:00:12:34:56");
  EXPECT_EQ(list[0].link, "user");
  EXPECT_FALSE(list[0].connected);
  EXPECT_FALSE(list[0].removing);
}

TEST_F(NetControlTest, SaysWhenTheGuestKeepsANicAndLetsItGoLater) {
  Make(1);
  ASSERT_TRUE(Add("user"));
  // A front-end that is connected and does not answer.
  const std::string state = "/local/domain/1/device/vif/0/state";
  ASSERT_TRUE(guest_.store.Write(state, "4"));
  guest_.OnControl([] {});
  const Result<void> kept = Remove(0);
  ASSERT_FALSE(kept);
  EXPECT_THAT(kept.error().message, HasSubstr("still uses NIC 0"));
  EXPECT_EQ(Configured().size(), 1U);
  EXPECT_THAT(Remove(0).error().message, HasSubstr("being removed already"));
  ASSERT_TRUE(guest_.store.Write(state, "6"));
  WaitUntilNoneIsLeft();
  EXPECT_TRUE(Configured().empty());
}

TEST_F(NetControlTest, WhatCannotBeDoneIsSaid) {
  Make();
  EXPECT_THAT(Add("bridge=x").error().message, HasSubstr("'bridge=x' is not tap"));
  EXPECT_THAT(Add("socket=/none/at/all").error().message, HasSubstr("no network server listens"));
  EXPECT_THAT(Remove(7).error().message, HasSubstr("there is no NIC 7"));
  ASSERT_TRUE(Add("user,mac=52:54:00:12:34:56"));
  EXPECT_THAT(Add("user,mac=52:54:00:12:34:56").error().message,
              HasSubstr("NIC 0 has the address 52:54:00:12:34:56 already"));
  EXPECT_EQ(Configured().size(), 1U);
}

TEST_F(NetControlTest, WhatTheSandboxHasGivenUpIsRefused) {
  guest_.OnControl([&] {
    const SandboxRefusals refusals{.tap = "no more taps", .script = "no more scripts"};
    control_ =
        std::make_unique<NetControl>(*devices_, *guest_.loop, configs_, kRemovalLimitNs, refusals);
  });
  EXPECT_EQ(Add("tap,bridge=none-such").error().message, "no more taps");
  EXPECT_TRUE(Add("user"));
  guest_.OnControl([&] {
    const SandboxRefusals refusals{.script = "no more scripts"};
    control_ =
        std::make_unique<NetControl>(*devices_, *guest_.loop, configs_, kRemovalLimitNs, refusals);
  });
  EXPECT_EQ(Add("tap,script=/bin/true").error().message, "no more scripts");
}

TEST_F(NetControlTest, AForwardedPortIsFreeOnceItsNicIsGone) {
  Make();
  const std::uint16_t port = testing::HostSocket::Bound(SOCK_STREAM).port();
  const std::string nic = fmt::format("user,hostfwd=tcp::{}-:80", port);
  ASSERT_TRUE(Add(nic));
  EXPECT_THAT(Add(nic).error().message, HasSubstr("in use already"));
  ASSERT_TRUE(Remove(0));
  EXPECT_TRUE(Add(nic));
}

TEST_F(NetControlTest, ThereIsALimit) {
  Make();
  for (unsigned number = 0; number < 16; ++number) {
    EXPECT_EQ(Add("user").value_or(99), number);
  }
  EXPECT_THAT(Add("user").error().message, HasSubstr("16 NICs"));
}

}  // namespace
}  // namespace veneer
