// The emulated disks of a machine: controller, the bridge that shares its slot, interrupt lines,
// and the images that PV disks show too.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "mainboard.h"
#include "veneer/devices/ide/ide_controller.h"
#include "veneer/devices/pci/pci_bridges.h"
#include "veneer/vmm/machine/machine.h"
#include "veneer/vmm/machine/machine_config.h"

namespace veneer {

class IdeDisks {
 public:
  // All outlive it.
  struct Parts {
    const MachineConfig& config;
    GuestMemory& memory;
    Bus& ports;
    PciHost& pci;
    Metrics& metrics;
    Mainboard::MakeLine make_line;
    DiskFailureReceiver on_failure;
  };
  // Null if the configuration has no IDE disk. UsageError for more than a PC has room for, and what
  // opening images says.
  static Result<std::unique_ptr<IdeDisks>> Create(const Parts& parts);
  IdeDisks(const IdeDisks&) = delete;
  IdeDisks& operator=(const IdeDisks&) = delete;

  // The image of config.disks[`index`] for the other way in which it is shown, once; null if there
  // is none.
  std::unique_ptr<DiskImage> TakeSharedImage(std::size_t index);
  // `mask`: kUnplug* bits of veneer/xencompat/platform/platform_ports.h. Any thread.
  void Unplug(std::uint16_t mask);
  // Tries again what failed and was held back. Any thread.
  void Retry() { controller_->Retry(); }
  // Any thread.
  std::vector<EmulatedDevices::Disk> List() const;

 private:
  explicit IdeDisks(const Parts& parts);
  Result<void> OpenDrives(const Parts& parts, std::vector<IdeDriveConfig>& drives);

  std::array<std::unique_ptr<InterruptLine>, IdeController::kChannels> lines_;
  std::vector<std::shared_ptr<DiskImage>> shared_;  // by the disk's number in the configuration
  struct Drive {
    std::string path;
    DiskImage::Facts facts;
    bool twin = false;
  };
  std::vector<Drive> drives_;
  std::atomic<std::uint16_t> unplugged_{0};  // kUnplug* bits
  PciIsaBridge isa_bridge_;
  std::unique_ptr<IdeController> controller_;
};

}  // namespace veneer
