// The emulated NICs of a machine, each a device of its own on the PCI bus, and the links that PV
// NICs show too.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "veneer/devices/e1000/e1000.h"
#include "veneer/devices/pci/pci_host.h"
#include "veneer/vmm/machine/machine.h"
#include "veneer/vmm/machine/machine_config.h"

namespace veneer {

class E1000Nics {
 public:
  // All outlive it. The configuration's NICs have numbers and addresses.
  struct Parts {
    const MachineConfig& config;
    GuestMemory& memory;
    PciHost& pci;
    Metrics& metrics;
  };
  // UsageError for more than there are slots for, and what opening links says.
  static Result<std::unique_ptr<E1000Nics>> Create(const Parts& parts);
  E1000Nics(const E1000Nics&) = delete;
  E1000Nics& operator=(const E1000Nics&) = delete;

  // The link of config.nics[`index`] for the other way in which it is shown, once; null if there is
  // none.
  std::unique_ptr<NetLink> TakeSharedLink(std::size_t index);
  // `mask`: kUnplug* bits of veneer/xencompat/platform/platform_ports.h. Any thread.
  void Unplug(std::uint16_t mask);
  // Any thread.
  std::vector<EmulatedDevices::Nic> List() const;

 private:
  struct Nic {
    std::unique_ptr<E1000> device;
    unsigned number = 0;
    MacAddress mac;
    std::string link;
    bool twin = false;  // the guest finds it as a PV NIC too
  };
  explicit E1000Nics(PciHost& pci) : pci_(pci) {}
  Result<void> Add(const Parts& parts, std::size_t index);

  PciHost& pci_;
  std::vector<std::unique_ptr<NetLink>> shared_;  // by the NIC's place in the configuration
  std::vector<Nic> nics_;
  std::atomic<bool> unplugged_{false};  // twins
};

}  // namespace veneer
