// The input is a program of port and memory accesses, host events and passing time, run against a
// bus with every device on it. Nothing a guest does may crash, hang or grow a device.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "support/fake_clock.h"
#include "support/fake_devices.h"
#include "support/fuzz_target.h"
#include "veneer/devices/pc/acpi_cpus.h"
#include "veneer/devices/pc/acpi_pm.h"
#include "veneer/devices/pc/cmos_rtc.h"
#include "veneer/devices/pc/debug_port.h"
#include "veneer/devices/pc/i8042.h"
#include "veneer/devices/pc/serial_16550.h"
#include "veneer/devices/pci/pci_bridges.h"
#include "veneer/devices/pci/pci_host.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/bus/bus.h"

namespace veneer {
namespace {

using testing::FuzzInput;

class CountingSink final : public CharacterSink {
 public:
  void Write(std::span<const std::byte> text) override { VENEER_CHECK(!text.empty()); }
};

// BARs of every kind, backed by a device that checks what the bus promises.
class FuzzPciDevice final : public PciDevice {
 public:
  FuzzPciDevice() : PciDevice(Identity{0x1234, 0x5678, 1, 0xff0000, 0, 0}) {
    AddBar(0, BarKind::kIo, kIoSize, &io_);
    AddBar(1, BarKind::kMemory, kMemorySize, &memory_);
    AddBar(2, BarKind::kPrefetchableMemory, std::uint64_t{1} << 24U, nullptr);
    AddBar(5, BarKind::kIo, 4, &small_io_);
    AddInterruptPin();
    const std::array<std::uint8_t, 6> body{};
    AddCapability(0x09, body);
  }

 private:
  static constexpr std::uint64_t kIoSize = 64;
  static constexpr std::uint64_t kMemorySize = 4096;
  class Checked final : public BusDevice {
   public:
    explicit Checked(std::uint64_t size) : size_(size) {}
    std::uint64_t Read(std::uint64_t offset, unsigned size) override {
      VENEER_CHECK(offset + size <= size_);
      return offset;
    }
    void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override {
      VENEER_CHECK(offset + size <= size_ && value <= AllOnes(size));
    }

   private:
    std::uint64_t size_;
  };
  void OnBarMoved(unsigned index, std::optional<std::uint64_t> base) override {
    VENEER_CHECK(index < kBarCount && (!base || *base < PciHost::kMemoryEnd));
  }
  Checked io_{kIoSize};
  Checked small_io_{4};
  Checked memory_{kMemorySize};
};

constexpr unsigned kProcessors = 20;

struct Machine {
  Machine() {
    rtc.SetTimer(rtc_timer);
    const bool built = serial.Attach(ports) && rtc.Attach(ports) && keyboard.Attach(ports) &&
                       pm.Attach(ports) && cpus.Attach(ports) && debug.Attach(ports) &&
                       post.Attach(ports) && pci.Attach() && pci.AddDevice(0, 0, host_bridge) &&
                       pci.AddDevice(1, 0, isa_bridge) && pci.AddDevice(2, 0, device_a) &&
                       pci.AddDevice(3, 0, device_b) && pci.AssignResources();
    VENEER_CHECK(built);
  }

  Counter unclaimed;
  Bus ports{"port", unclaimed};
  Bus memory{"memory", unclaimed};
  FakeClock clock{1'700'000'000'000'000'000};
  FakeInterruptLine line;
  FakePowerControl power;
  FakeDeadlineTimer rtc_timer;
  CountingSink sink;
  Serial16550 serial{line, sink, clock};
  CmosRtc rtc{clock, line, CmosRtc::Memory{1U << 30U, 0}};
  I8042 keyboard{power};
  AcpiPm pm{clock, line, power};
  AcpiCpus cpus{pm, kProcessors, 1,
                [](unsigned processor) { VENEER_CHECK(processor < kProcessors); }};
  DebugPort debug{sink};
  PostPort post;
  PciHost pci{ports, memory, {&line, &line, &line, &line}, power};
  PciHostBridge host_bridge;
  PciIsaBridge isa_bridge;
  FuzzPciDevice device_a;
  FuzzPciDevice device_b;
};

// Ports where something is, so that the fuzzer need not find them by chance.
constexpr std::array<std::uint16_t, 10> kPorts{0x60,  0x70,  0x80,   0xe9,   0x3f8,
                                               0x600, 0xcf8, 0xaf00, 0xafe0, 0xc000};

std::uint64_t Port(FuzzInput& input) {
  const std::uint64_t choice = input.Take(1);
  if (choice >= 0xf8) {
    return input.Take(2);
  }
  return kPorts[choice % kPorts.size()] + choice / kPorts.size();
}

void HostEvent(Machine& machine, FuzzInput& input) {
  switch (input.Take(1) & 7U) {
    case 0: {
      const std::array<std::byte, 300> text{};
      machine.serial.Receive(std::span(text).first(input.Take(2) % text.size()));
      break;
    }
    case 1:
      machine.serial.Flush();
      machine.debug.Flush();
      break;
    case 2:
      machine.pm.PressPowerButton();
      break;
    case 3:
      machine.cpus.SetPresent(static_cast<unsigned>(input.Take(1)) % kProcessors + 1);
      break;
    case 4:
      machine.device_a.SetIntx((input.Take(1) & 1U) != 0);
      break;
    case 5:
      machine.pci.RemoveDevice(machine.device_b);
      break;
    case 6:
      machine.clock.SetRealtime(input.Take(7));
      break;
    default:
      machine.clock.Advance(input.Take(5));
      machine.rtc.OnDeadline();
      break;
  }
}

void Run(FuzzInput input) {
  Machine machine;
  while (!input.empty()) {
    const std::uint64_t code = input.Take(1);
    const unsigned size = 1U << (code & 3U);
    const bool write = (code & 4U) != 0;
    switch ((code >> 3U) & 3U) {
      case 0:
      case 1: {
        const std::uint64_t port = Port(input);
        if (write) {
          machine.ports.Write(port, size, input.Take(size));
        } else {
          VENEER_CHECK(machine.ports.Read(port, size) <= AllOnes(size));
        }
        break;
      }
      case 2: {
        const std::uint64_t address = PciHost::kFirstMemoryBar + input.Take(4);
        if (write) {
          machine.memory.Write(address, size, input.Take(size));
        } else {
          VENEER_CHECK(machine.memory.Read(address, size) <= AllOnes(size));
        }
        break;
      }
      default:
        HostEvent(machine, input);
        break;
    }
  }
}

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  veneer::testing::SilenceLog();
  veneer::Run(veneer::testing::FuzzInput(data, size));
  return 0;
}
