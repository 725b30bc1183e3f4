// A PCI root with two test devices, reached through configuration mechanism 1.
#pragma once

#include <array>
#include <string>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "../pc/port_bus.h"
#include "support/fake_devices.h"
#include "veneer/devices/pci/pci_device.h"
#include "veneer/devices/pci/pci_host.h"

namespace veneer {

// Shaped like Xen's platform device, and with a small memory BAR and two capabilities.
class TestPciDevice final : public PciDevice {
 public:
  TestPciDevice() : PciDevice(Identity{0x5853, 0x0001, 0x02, 0xff8000, 0x5854, 0x0002}) {
    AddBar(0, BarKind::kIo, 256, &io_);
    AddBar(1, BarKind::kPrefetchableMemory, 16U << 20U, nullptr);
    AddBar(2, BarKind::kMemory, 16, &mmio_);
    AddInterruptPin();
    const std::array<std::uint8_t, 2> vendor{0xaa, 0x00};
    AddCapability(0x09, vendor);
    const std::array<std::uint8_t, 2> msi{0x00, 0x00};
    const std::uint8_t offset = AddCapability(0x05, msi);
    SetWritable(static_cast<std::uint8_t>(offset + 2), 2, 0x0001);
  }
  std::string moves;  // "BAR:address " or "BAR:- " for each call of OnBarMoved()

 private:
  class Constant final : public BusDevice {
   public:
    explicit Constant(std::uint64_t value) : value_(value) {}
    std::uint64_t Read(std::uint64_t /*offset*/, unsigned /*size*/) override { return value_; }
    void Write(std::uint64_t /*offset*/, unsigned /*size*/, std::uint64_t /*value*/) override {}

   private:
    std::uint64_t value_;
  };
  void OnBarMoved(unsigned index, std::optional<std::uint64_t> base) override {
    moves += base ? fmt::format("{}:{:x} ", index, *base) : fmt::format("{}:- ", index);
  }
  Constant io_{0x10};
  Constant mmio_{0x12};
};

class PciTest : public ::testing::Test {
 protected:
  static constexpr unsigned kCommand = 0x04;
  static constexpr unsigned kBar0 = 0x10;
  static constexpr unsigned kBar1 = 0x14;
  static constexpr unsigned kBar2 = 0x18;
  static constexpr unsigned kBar3 = 0x1c;

  void SetUp() override { ASSERT_TRUE(pci_.Attach()); }

  void Select(unsigned slot, unsigned function, unsigned offset) {
    ports_.Out32(0xcf8, 0x80000000U | slot << 11U | function << 8U | (offset & 0xfcU));
  }
  std::uint32_t Config32(unsigned slot, unsigned function, unsigned offset) {
    Select(slot, function, offset);
    return ports_.In32(0xcfc);
  }
  std::uint16_t Config16(unsigned slot, unsigned function, unsigned offset) {
    Select(slot, function, offset);
    return ports_.In16(0xcfc + (offset & 3U));
  }
  std::uint8_t Config8(unsigned slot, unsigned function, unsigned offset) {
    Select(slot, function, offset);
    return ports_.In8(0xcfc + (offset & 3U));
  }
  void PutConfig32(unsigned slot, unsigned function, unsigned offset, std::uint32_t value) {
    Select(slot, function, offset);
    ports_.Out32(0xcfc, value);
  }
  void PutConfig16(unsigned slot, unsigned function, unsigned offset, std::uint16_t value) {
    Select(slot, function, offset);
    ports_.Out16(0xcfc + (offset & 3U), value);
  }
  void PutConfig8(unsigned slot, unsigned function, unsigned offset, std::uint8_t value) {
    Select(slot, function, offset);
    ports_.Out8(0xcfc + (offset & 3U), value);
  }

  PortBus ports_;
  PortBus memory_;
  FakePowerControl power_;
  std::array<FakeInterruptLine, PciHost::kIntxLines> lines_;
  PciHost pci_{ports_.bus, memory_.bus, {&lines_[0], &lines_[1], &lines_[2], &lines_[3]}, power_};
  TestPciDevice device_;
  TestPciDevice other_;
};

}  // namespace veneer
