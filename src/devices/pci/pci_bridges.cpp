#include "veneer/devices/pci/pci_bridges.h"

namespace veneer {
namespace {

constexpr std::uint16_t kIntel = 0x8086;

}  // namespace

PciHostBridge::PciHostBridge() : PciDevice(Identity{kIntel, 0x1237, 0x02, 0x060000, 0, 0}) {}

PciIsaBridge::PciIsaBridge() : PciDevice(Identity{kIntel, 0x7000, 0x00, 0x060100, 0, 0}) {
  SetMultiFunction();
}

}  // namespace veneer
