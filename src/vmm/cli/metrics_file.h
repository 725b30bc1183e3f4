// What `--metrics FILE` holds.
#pragma once

#include <string>
#include <vector>

#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/kvm/host_probe.h"
#include "veneer/vmm/machine/machine.h"

namespace veneer {

// One JSON object: "host", "milestones" (seconds since the first KVM_RUN, interpreted kernel
// instructions), "counters" by dotted name, "stop". Replaces the file as a whole.
Result<void> WriteMetricsFile(const std::string& path, const HostProfile& host,
                              const std::vector<Milestone>& milestones, const Metrics& metrics,
                              const std::string& stop);

}  // namespace veneer
