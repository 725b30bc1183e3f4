// Where a vCPU stands, in words, for people who look at a guest that stands still.
#pragma once

#include <string>

#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// On the vCPU's thread, or while that is held.
std::string VcpuReport(Vcpu& vcpu);

}  // namespace veneer
