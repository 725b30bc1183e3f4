// Which of its disks a guest's BIOS tries first.
#pragma once

#include <vector>

#include "veneer/devices/pc/cmos_rtc.h"
#include "veneer/vmm/machine/machine_config.h"

namespace veneer {

// As the user has said; else, disks of the kind that the first IDE disk is, before the other kind.
std::vector<CmosRtc::BootDevice> BiosBootOrder(const MachineConfig& config);

}  // namespace veneer
