// One run of the block back-end, driven by a front-end in the same process.
#pragma once

#include "veneer/vmm/base/result.h"
#include "workload.h"

namespace veneer::bench {

Result<Outcome> RunBackEnd(const Disk& disk, const Workload& workload);

}  // namespace veneer::bench
