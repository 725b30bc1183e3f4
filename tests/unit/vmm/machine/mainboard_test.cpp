#include "src/vmm/machine/mainboard.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/fake_devices.h"
#include "veneer/vmm/base/metrics.h"

namespace veneer {
namespace {

using ::testing::Contains;
using ::testing::IsSupersetOf;

constexpr std::uint64_t kPatienceNs = 60'000'000'000;  // ends a test instead of hanging it

// Shared with the test, which keeps it by its number.
struct Wire {
  bool level = false;
  int rises = 0;
  std::function<void()> on_rise;
};

class RecordingLine final : public InterruptLine {
 public:
  explicit RecordingLine(Wire& wire) : wire_(wire) {}
  void SetLevel(bool asserted) override {
    const bool was = std::exchange(wire_.level, asserted);
    const bool rises = asserted && !was;
    wire_.rises += rises ? 1 : 0;
    if (rises && wire_.on_rise) {
      wire_.on_rise();
    }
  }

 private:
  Wire& wire_;
};

class IntxDevice final : public PciDevice {
 public:
  IntxDevice() : PciDevice({.vendor = 0x1234, .device = 1}) { AddInterruptPin(); }
};

class MainboardTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(board_.Attach()); }
  void Out(std::uint64_t port, unsigned size, std::uint64_t value) {
    ports_.Write(port, size, value);
  }
  void OutRtc(std::uint8_t index, std::uint8_t value) {
    Out(0x70, 1, index);
    Out(0x71, 1, value);
  }
  static std::string Text(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes) {
      text.push_back(static_cast<char>(byte));
    }
    return text;
  }

  Metrics metrics_;
  Bus ports_{"port", metrics_.Get("bus.port.unclaimed")};
  Bus mmio_{"memory", metrics_.Get("bus.memory.unclaimed")};
  const std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  FakePowerControl power_;
  std::map<std::uint32_t, Wire> wires_;
  std::string serial_, debug_;
  Mainboard board_{{.ports = ports_,
                    .mmio = mmio_,
                    .clock = HostClock(),
                    .loop = *loop_,
                    .power = power_,
                    .memory = {.below_4g = std::uint64_t{256} << 20U, .above_4g = 0},
                    .serial_output = [this](auto text) { serial_ += Text(text); },
                    .debug_output = [this](auto text) { debug_ += Text(text); }},
                   [this](Gsi gsi) { return std::make_unique<RecordingLine>(wires_[gsi.value]); }};
};

TEST_F(MainboardTest, TheSerialPortInterruptsAtGsi4) {
  Out(0x3fc, 1, 0x08);  // MCR: OUT2 lets interrupts out
  EXPECT_EQ(wires_[4].rises, 0);
  Out(0x3f9, 1, 0x02);  // IER: transmitter empty
  EXPECT_EQ(wires_[4].rises, 1);
}

TEST_F(MainboardTest, ThePowerButtonInterruptsAtGsi9) {
  Out(0x602, 2, 0x100);
  EXPECT_FALSE(wires_[9].level);
  board_.acpi_pm().PressPowerButton();
  EXPECT_TRUE(wires_[9].level);
}

TEST_F(MainboardTest, ProcessorsThatComeAndGoInterruptAtGsi9AndOnlyWhereThereAreSuch) {
  EXPECT_EQ(board_.cpus(), nullptr);
  EXPECT_EQ(ports_.Read(0xaf00, 1), 0xffU);
  unsigned ejected = 0;
  ASSERT_TRUE(board_.AttachCpus(8, 2, [&](unsigned processor) { ejected = processor; }));
  Out(0xafe2, 2, 1U << AcpiCpus::kGpe);
  EXPECT_FALSE(wires_[9].level);
  board_.cpus()->SetPresent(3);
  EXPECT_TRUE(wires_[9].level);
  EXPECT_EQ(ports_.Read(0xaf00, 1), 0x07U);
  EXPECT_FALSE(wires_[9].level);
  Out(0xaf10, 1, 7);
  EXPECT_EQ(ejected, 7U);
}

TEST_F(MainboardTest, TheClocksPeriodicInterruptComesFromTheLoopAtGsi8) {
  bool in_time = true;
  wires_[8].on_rise = [this] { loop_->Stop(); };
  loop_->AddTimer(HostClock().MonotonicNs() + kPatienceNs, [&] {
    in_time = false;
    loop_->Stop();
  });
  OutRtc(0x0a, 0x26);  // 1024 Hz
  OutRtc(0x0b, 0x42);  // 24 hours, periodic interrupt
  loop_->Run();
  EXPECT_TRUE(in_time);
  EXPECT_EQ(wires_[8].rises, 1);
}

TEST_F(MainboardTest, APciSlotsPinLeadsToTheLineThatTheGuestIsTold) {
  std::set<std::uint32_t> seen;
  std::array<IntxDevice, PciHost::kIntxLines> devices;
  for (unsigned i = 0; i < devices.size(); ++i) {
    const unsigned slot = 3 + i;
    const std::uint32_t gsi = PciHost::IntxGsi(slot).value;
    ASSERT_TRUE(board_.pci().AddDevice(slot, 0, devices[i]));
    devices[i].SetIntx(true);
    EXPECT_TRUE(wires_[gsi].level) << slot;
    seen.insert(gsi);
    devices[i].SetIntx(false);
    EXPECT_FALSE(wires_[gsi].level) << slot;
  }
  EXPECT_EQ(seen.size(), devices.size());
}

TEST_F(MainboardTest, ResetsAndPowerOffReachTheMachine) {
  Out(0x64, 1, 0xfe);  // the keyboard controller's pulse
  EXPECT_EQ(power_.resets, 1);
  Out(0xcf9, 1, 0x02);
  Out(0xcf9, 1, 0x06);  // PCI reset control
  EXPECT_EQ(power_.resets, 2);
  Out(0x604, 2, 5U << 10U | 1U << 13U);  // ACPI S5
  EXPECT_EQ(power_.power_offs, 1);
}

TEST_F(MainboardTest, EachOutputGoesItsOwnWay) {
  Out(0x3f8, 1, 's');
  Out(0xe9, 1, 'd');
  board_.Flush();
  EXPECT_EQ(serial_, "s");
  EXPECT_EQ(debug_, "d");
}

TEST_F(MainboardTest, TheHostBridgeIsOnTheBus) {
  Out(0xcf8, 4, 0x80000000);
  EXPECT_EQ(ports_.Read(0xcfc, 4) & 0xffffU, 0x8086U);
}

}  // namespace
}  // namespace veneer
