// A PV console wired to a front-end in memory; what it says and whom it tells is recorded.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "support/console_front_end.h"
#include "veneer/backends/console/pv_console.h"
#include "veneer/vmm/base/metrics.h"

namespace veneer {

inline std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// `count` characters in which every place of a ring differs from its neighbours'.
inline std::string Pattern(std::size_t count, std::size_t from = 0) {
  std::string text;
  for (std::size_t i = from; i < from + count; ++i) {
    text.push_back(static_cast<char>(i * 31 + i / 256));
  }
  return text;
}

// For tests on one thread.
class PvConsoleTest : public ::testing::Test {
 protected:
  PvConsoleTest() {
    console_.SetRoomCallback([this] {
      ++rooms_;
      if (on_room_) {
        on_room_();
      }
    });
  }
  std::size_t Type(std::string_view text) { return console_.Input(Bytes(text)); }
  std::uint64_t Count(std::string_view name) { return metrics_.Get(name).value(); }

  veneer::testing::ConsoleFrontEnd guest_;
  Metrics metrics_;
  std::string printed_;
  int outputs_ = 0;
  int notifies_ = 0;
  int rooms_ = 0;
  std::function<void()> on_output_;
  std::function<void()> on_room_;
  PvConsole console_{guest_.page(),
                     [this](std::span<const std::byte> text) {
                       ++outputs_;
                       for (const std::byte c : text) {
                         printed_.push_back(static_cast<char>(c));
                       }
                       if (on_output_) {
                         on_output_();
                       }
                     },
                     [this] { ++notifies_; }, metrics_};
};

}  // namespace veneer
