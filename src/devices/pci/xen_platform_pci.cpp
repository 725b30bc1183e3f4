#include "veneer/devices/pci/xen_platform_pci.h"

#include <utility>

namespace veneer {
namespace {

constexpr std::uint16_t kXenVendor = 0x5853;
constexpr std::uint16_t kPlatform = 0x0001;
constexpr std::uint32_t kUnassignedClass = 0xff8000;

}  // namespace

XenPlatformPci::XenPlatformPci(BusDevice& ports, MemoryMoved memory_moved)
    : PciDevice(Identity{kXenVendor, kPlatform, 0x01, kUnassignedClass, kXenVendor, kPlatform}),
      memory_moved_(std::move(memory_moved)) {
  AddBar(kPortsBar, BarKind::kIo, kPortsSize, &ports);
  AddBar(kMemoryBar, BarKind::kPrefetchableMemory, kMemorySize, nullptr);
  AddInterruptPin();
}

void XenPlatformPci::OnBarMoved(unsigned index, std::optional<std::uint64_t> base) {
  if (index == kMemoryBar && memory_moved_) {
    memory_moved_(base);
  }
}

}  // namespace veneer
