// One run of fio with its io_uring engine.
#pragma once

#include "veneer/vmm/base/result.h"
#include "workload.h"

namespace veneer::bench {

Result<Outcome> RunFio(const Disk& disk, const Workload& workload);

}  // namespace veneer::bench
