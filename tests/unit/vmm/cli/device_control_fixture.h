// Devices that come and go by the user's words while a guest runs, whatever their kind.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/pv_guest.h"

namespace veneer {

// `Control` adds and removes `Devices`, which have a `Name`, and keeps the `Config` of the next
// boot.
template <typename Control, typename Devices, typename Config, typename Name>
class DeviceControlTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kHour = 3'600'000'000'000;  // ns

  DeviceControlTest() { guest_.StartControl(); }
  ~DeviceControlTest() override {
    guest_.OnControl([this] {
      control_.reset();
      devices_.reset();
    });
    guest_.StopControl();
  }

  // How a test knows a device of the configuration.
  virtual std::string Describe(const Config& config) const = 0;

  void Make(std::uint64_t removal_limit_ns = kHour) {
    guest_.OnControl([&] {
      control_ = std::make_unique<Control>(*devices_, *guest_.loop, configs_, removal_limit_ns);
    });
  }
  Result<Name> Add(const std::string& text) {
    auto outcome = std::make_shared<std::promise<Result<Name>>>();
    const auto done = [outcome](Result<Name> name) { outcome->set_value(std::move(name)); };
    guest_.OnControl([&] {
      if constexpr (requires { control_->Add(text, done); }) {
        control_->Add(text, done);
      } else {
        done(control_->Add(text));
      }
    });
    auto future = outcome->get_future();
    EXPECT_EQ(future.wait_for(testing::kPatience), std::future_status::ready);
    return future.get();
  }
  // Its outcome, once it has one.
  Result<void> Remove(const Name& name) {
    auto outcome = std::make_shared<std::promise<Result<void>>>();
    guest_.OnControl([&] {
      control_->Remove(name, [outcome](Result<void> result) { outcome->set_value(result); });
    });
    auto future = outcome->get_future();
    EXPECT_EQ(future.wait_for(testing::kPatience), std::future_status::ready);
    return future.get();
  }
  std::vector<std::string> Configured() {
    std::vector<std::string> list;
    guest_.OnControl([&] {
      for (const Config& config : configs_) {
        list.push_back(Describe(config));
      }
    });
    return list;
  }
  // Until the guest has let go of all of them.
  void WaitUntilNoneIsLeft() {
    for (std::size_t left = 1; left > 0;) {
      guest_.OnControl([&] { left = devices_->List().size(); });
    }
  }

  testing::PvGuest guest_;
  std::vector<Config> configs_;
  std::unique_ptr<Devices> devices_;  // the derived class makes it
  std::unique_ptr<Control> control_;
};

}  // namespace veneer
