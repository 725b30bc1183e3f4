// The IDE function of Intel's PIIX3 (82371SB data sheet): two channels at their legacy ports, bus
// master DMA, and up to four drives, which are hard disks or CD-ROMs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "veneer/devices/pci/pci_device.h"
#include "veneer/host/disk/disk_failure.h"
#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/bus/bus.h"
#include "veneer/vmm/bus/interrupt.h"
#include "veneer/vmm/bus/port_window.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

class IdeWorker;

struct IdeDriveConfig {
  bool cdrom = false;  // read-only, whatever the image is
  bool flush = true;   // a flush of the guest's reaches the image
  bool twin = false;   // the same disk is shown in another way too, for which this one can go
  // The first 20 characters are shown; empty: one made from the drive's number.
  std::string serial{};
  std::uint64_t bytes_per_second = 0;  // 0: no limit
  std::uint64_t requests_per_second = 0;
  std::unique_ptr<DiskImage> image{};
  DiskOnError on_error = DiskOnError::kReport;
  std::string name{};                // for sentences about failures
  DiskFailureReceiver on_failure{};  // with another on_error than kReport
};

// Registers are served on vCPU threads and never wait for the host; transfers run on a thread of
// the controller's. Slot 1, function 1 of a PC's bus.
class IdeController final : public PciDevice {
 public:
  static constexpr unsigned kDrives = 4;
  static constexpr unsigned kChannels = 2;
  static constexpr std::array<std::uint64_t, kChannels> kCommandPorts{0x1f0, 0x170};  // 8 each
  static constexpr std::array<std::uint64_t, kChannels> kControlPorts{0x3f6, 0x376};  // 1 each
  // Edge-triggered, as on the ISA bus.
  static constexpr std::array<Gsi, kChannels> kGsis{Gsi{14}, Gsi{15}};
  static constexpr unsigned kBusMasterBar = 4;

  // All outlive the controller; lines[i] leads to kGsis[i].
  struct Parts {
    GuestMemory& memory;
    Metrics& metrics;  // "ide.DRIVE.*", see the area's README
    std::array<InterruptLine*, kChannels> lines;
  };
  // `drives`, at most kDrives: primary master, primary slave, secondary master, secondary slave.
  static Result<std::unique_ptr<IdeController>> Create(const Parts& parts,
                                                       std::vector<IdeDriveConfig> drives);
  // Waits for transfers under way. The vCPUs have stopped.
  ~IdeController() override;

  // The legacy ports; the bus master's are the function's BAR.
  Result<void> Attach(Bus& ports);

  // Takes twins away, for good: at once for the guest, while a transfer under way ends by itself
  // and unseen, after which the image is let go. `keep_primary_master`: not that one. Any thread.
  void UnplugTwins(bool keep_primary_master);
  // Tries again what failed and was held back (on_error kPause). Any thread.
  void Retry();

 private:
  class Channel;
  IdeController();
  std::uint64_t ReadBusMaster(std::uint64_t offset, unsigned size);
  void WriteBusMaster(std::uint64_t offset, unsigned size, std::uint64_t value);

  PortWindow bus_master_window_;
  std::array<std::unique_ptr<Channel>, kChannels> channels_;
  std::vector<bool> twins_;
  std::unique_ptr<IdeWorker> worker_;  // goes first: it tells the channels of ends
};

}  // namespace veneer
