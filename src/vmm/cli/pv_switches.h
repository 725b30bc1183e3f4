// --pv: which extensions a Xen guest is offered.
#pragma once

#include <string_view>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/machine/machine_config.h"

namespace veneer {

// "disk=on|off,net=on|off,time=on|off,console=on|off,callback=on|off", any of them; on is what is
// not named.
Result<PvSwitches> ParsePvSwitches(std::string_view text);

// What of `config` the switches, or a guest without Xen, leave no way for. UsageError that names
// the option.
Result<void> CheckPvSwitches(const MachineConfig& config);

}  // namespace veneer
