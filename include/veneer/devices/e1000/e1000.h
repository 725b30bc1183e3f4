// Intel's 82540EM gigabit NIC (PCI/PCI-X Family of Gigabit Ethernet Controllers Software
// Developer's Manual, 317453), with checksum and TCP segmentation offload.
#pragma once

#include <cstdint>
#include <memory>

#include "veneer/devices/pci/pci_device.h"
#include "veneer/host/net/net_link.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

struct E1000Config {
  unsigned number = 0;  // of the NIC, for logs and metrics
  MacAddress mac;
  std::uint64_t bytes_per_second = 0;  // each way; 0: no limit
};

// Registers are served on vCPU threads and never wait for the link; frames are moved on a thread of
// the NIC's. The link's channel 0 is open only while the guest's driver has the NIC switched on, so
// that a PV twin can have it otherwise.
class E1000 final : public PciDevice {
 public:
  static constexpr unsigned kMemoryBar = 0;
  static constexpr unsigned kPortsBar = 2;

  // `memory` and `metrics` ("e1000.NUMBER.*") outlive it.
  static Result<std::unique_ptr<E1000>> Create(GuestMemory& memory, Metrics& metrics,
                                               const E1000Config& config,
                                               std::shared_ptr<NetLink> link);
  // The vCPUs have stopped.
  ~E1000() override;

  // Stops it for good and lets the link go, soon; its registers read as all-ones from now on.
  // Whoever owns the PCI root takes it out of its slot. Any thread.
  void Unplug();

 private:
  class Impl;
  explicit E1000(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace veneer
