// The two bridges that make bus 0 look like a PC's: Intel's 440FX host bridge and PIIX3 ISA bridge.
#pragma once

#include "veneer/devices/pci/pci_device.h"

namespace veneer {

// Slot 0. Operating systems look for a host bridge to believe in configuration mechanism 1.
class PciHostBridge final : public PciDevice {
 public:
  PciHostBridge();
};

// Slot 1, function 0. Needed only where another function of the slot is (the IDE controller).
class PciIsaBridge final : public PciDevice {
 public:
  PciIsaBridge();
};

}  // namespace veneer
