// A UART on a bus, with its registers by name.
#pragma once

#include <span>
#include <string_view>

#include <gtest/gtest.h>

#include "port_bus.h"
#include "support/fake_clock.h"
#include "support/fake_devices.h"
#include "veneer/devices/pc/serial_16550.h"

namespace veneer {

class SerialTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kBase = Serial16550::kCom1;
  static constexpr std::uint64_t kRbr = 0;
  static constexpr std::uint64_t kThr = 0;
  static constexpr std::uint64_t kIer = 1;
  static constexpr std::uint64_t kIir = 2;
  static constexpr std::uint64_t kFcr = 2;
  static constexpr std::uint64_t kLcr = 3;
  static constexpr std::uint64_t kMcr = 4;
  static constexpr std::uint64_t kLsr = 5;
  static constexpr std::uint64_t kMsr = 6;
  static constexpr std::uint64_t kScr = 7;
  static constexpr std::uint8_t kOut2 = 0x08;
  static constexpr std::uint8_t kLoop = 0x10;

  void SetUp() override {
    ASSERT_TRUE(serial_.Attach(ports_.bus));
    serial_.SetTimer(timer_);
  }
  std::uint8_t Get(std::uint64_t reg) { return ports_.In8(kBase + reg); }
  void Put(std::uint64_t reg, std::uint8_t value) { ports_.Out8(kBase + reg, value); }
  void Print(std::string_view text) {
    for (const char c : text) {
      Put(kThr, static_cast<std::uint8_t>(c));
    }
  }
  // At the host's end.
  std::size_t Type(std::string_view text) {
    return serial_.Receive(std::as_bytes(std::span(text.data(), text.size())));
  }

  // The pause after a burst is over.
  void EndPause() {
    if (const auto deadline = timer_.deadline(); deadline && *deadline > clock_.MonotonicNs()) {
      clock_.Advance(*deadline - clock_.MonotonicNs());
    }
    serial_.OnDeadline();
  }

  FakeClock clock_;
  FakeDeadlineTimer timer_;
  PortBus ports_;
  FakeInterruptLine line_;
  FakeCharacterSink sink_;
  Serial16550 serial_{line_, sink_, clock_};
};

}  // namespace veneer
