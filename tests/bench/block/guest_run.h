// One run of the whole path: the program with a micro guest (guests/micro), whose front-end, or
// driver of an IDE disk, runs in ring 3.
#pragma once

#include "veneer/vmm/base/result.h"
#include "workload.h"

namespace veneer::bench {

// The guest measures itself, by its PV clock; its boot is not counted, and neither is CPU time.
Result<Outcome> RunGuest(const Disk& disk, const Workload& workload);

}  // namespace veneer::bench
