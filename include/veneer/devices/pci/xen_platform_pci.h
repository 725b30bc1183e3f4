// Xen's platform device as a PCI function, after Xen's docs/misc/hvm-emulated-unplug and what the
// Linux driver (xen-platform-pci) expects of its BARs and its interrupt.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "veneer/devices/pci/pci_device.h"

namespace veneer {

// INTA is the event channel upcall of guests that ask for it (HVM_PARAM_CALLBACK_IRQ): SetIntx().
class XenPlatformPci final : public PciDevice {
 public:
  static constexpr unsigned kPortsBar = 0;
  static constexpr std::uint64_t kPortsSize = 256;  // bytes of I/O
  // Guest frames without RAM behind them, into which the guest maps its grant table.
  static constexpr unsigned kMemoryBar = 1;
  static constexpr std::uint64_t kMemorySize = std::uint64_t{16} << 20U;  // bytes

  // The guest moved kMemoryBar, or switched it off (nullopt); called as PciDevice::OnBarMoved() is.
  using MemoryMoved = std::function<void(std::optional<std::uint64_t> base)>;

  // `ports` is what the guest finds at kPortsBar; it must outlive this object. The memory bus sees
  // nothing of kMemoryBar: whoever owns the guest's memory slots puts one at BarBase(kMemoryBar)
  // and, with `memory_moved`, keeps it there.
  explicit XenPlatformPci(BusDevice& ports, MemoryMoved memory_moved = nullptr);

 private:
  void OnBarMoved(unsigned index, std::optional<std::uint64_t> base) override;

  const MemoryMoved memory_moved_;
};

}  // namespace veneer
