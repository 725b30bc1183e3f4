// One measurement over a tap: by a plain process, and by the back-end with its front-end.
#pragma once

#include "tap_workload.h"
#include "veneer/vmm/base/result.h"

namespace veneer::bench {

// A loop of write() or read() on the tap. `company`: beside a thread that does nothing but keep a
// processor busy, as a micro guest that looks at its rings does.
Result<TapOutcome> RunPlain(const TapWorkload& workload, double seconds, bool company = false);
// NetBackend over the tap, and a front-end in this process that does with each frame what a driver
// must: put it into slots, or take its slots and post them again.
Result<TapOutcome> RunBackEnd(const TapWorkload& workload, double seconds);

// The whole path: a micro guest whose front-end, or driver of an e1000, runs in ring 3, in a
// process of its own, so that kicks, upcalls and guest memory are in it. CPU time is not known.
Result<TapOutcome> RunMicroGuest(const TapWorkload& workload, double seconds);

}  // namespace veneer::bench
