#include "net_control.h"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/host_sockets.h"
#include "support/pv_guest.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kPatience;

constexpr std::uint64_t kHour = 3'600'000'000'000;  // ns

class NetControlTest : public ::testing::Test {
 protected:
  NetControlTest() { guest_.StartControl(); }
  ~NetControlTest() override {
    guest_.OnControl([this] {
      control_.reset();
      nics_.reset();
    });
    guest_.StopControl();
  }

  void Make(std::uint64_t removal_limit_ns = kHour) {
    guest_.OnControl([&] {
      control_ = std::make_unique<NetControl>(*nics_, *guest_.loop, configs_, removal_limit_ns);
    });
  }
  Result<unsigned> Add(const std::string& text) {
    Result<unsigned> number;
    guest_.OnControl([&] { number = control_->Add(text); });
    return number;
  }
  // Its outcome, once it has one.
  Result<void> Remove(unsigned number) {
    auto outcome = std::make_shared<std::promise<Result<void>>>();
    guest_.OnControl([&] {
      control_->Remove(number, [outcome](Result<void> result) { outcome->set_value(result); });
    });
    auto future = outcome->get_future();
    EXPECT_EQ(future.wait_for(kPatience), std::future_status::ready);
    return future.get();
  }
  std::vector<std::string> Configured() {
    std::vector<std::string> list;
    guest_.OnControl([&] {
      for (const NetConfig& config : configs_) {
        list.push_back(fmt::format("{} {}", config.number.value(), ToString(config.mac.value())));
      }
    });
    return list;
  }

  testing::PvGuest guest_;
  std::vector<NetConfig> configs_;
  std::unique_ptr<Nics> nics_ =
      std::make_unique<Nics>(NetBackend::Parts{guest_.store, *guest_.events, *guest_.grants,
                                               guest_.metrics, guest_.poster()},
                             "web");
  std::unique_ptr<NetControl> control_;
};

TEST_F(NetControlTest, TheConfigurationFollowsForTheNextBoot) {
  const std::string zero = "0 " + ToString(DefaultMac("web", 0));
  configs_ = {ParseNet("user").value()};  // without number and address, as the user may leave it
  guest_.OnControl([&] { ASSERT_TRUE(nics_->Add(configs_[0])); });
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
  NumberNics(numbered);
  guest_.OnControl([&] { ASSERT_EQ(nics_->Add(numbered[1]).value(), 1U); });
  Make();
  EXPECT_EQ(Add("user,mac=52:54:00:00:00:03").value(), 2U);
  EXPECT_THAT(Configured(),
              ElementsAre("0 52:54:00:00:00:01", "1 52:54:00:00:00:02", "2 52:54:00:00:00:03"));
  EXPECT_TRUE(Remove(1));
  EXPECT_THAT(Configured(), ElementsAre("0 52:54:00:00:00:01", "2 52:54:00:00:00:03"));
  EXPECT_THAT(Add("user,model=both").error().message, HasSubstr("emulated NIC cannot be added"));
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
  for (std::size_t left = 1; left > 0;) {
    guest_.OnControl([&] { left = nics_->List().size(); });
  }
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
