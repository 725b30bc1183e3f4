#include "bios_boot_order.h"

#include <algorithm>

namespace veneer {

std::vector<CmosRtc::BootDevice> BiosBootOrder(const MachineConfig& config) {
  using enum CmosRtc::BootDevice;
  if (config.boot_order.empty()) {
    const auto first = std::ranges::find_if(config.disks, ShownAsIde);
    const bool cdrom_first = first != config.disks.end() && first->cdrom;
    return cdrom_first ? std::vector{kCdrom, kHardDisk} : std::vector{kHardDisk, kCdrom};
  }
  std::vector<CmosRtc::BootDevice> order;
  for (const BootDevice device : config.boot_order) {
    order.push_back(device == BootDevice::kCdrom ? kCdrom : kHardDisk);
  }
  return order;
}

}  // namespace veneer
