// Where tests plug emulated PCI devices in: the guest's buses, with a PCI host on them.
#pragma once

#include <array>

#include "support/fake_devices.h"
#include "veneer/devices/pci/pci_host.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/bus/bus.h"

namespace veneer::testing {

struct PciRoot {
  // Once, and before anything is accessed. The device outlives the accesses.
  bool Plug(unsigned slot, unsigned function, PciDevice& device) {
    return pci.Attach() && pci.AddDevice(slot, function, device) && pci.AssignResources();
  }

  Counter unclaimed;
  Bus ports{"port", unclaimed};
  Bus mmio{"memory", unclaimed};
  FakePowerControl power;
  std::array<FakeInterruptLine, PciHost::kIntxLines> lines;
  PciHost pci{ports, mmio, {&lines[0], &lines[1], &lines[2], &lines[3]}, power};
};

}  // namespace veneer::testing
