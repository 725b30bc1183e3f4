// What `--metrics FILE` holds.
#pragma once

#include <string>

#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/control/guest_control.h"
#include "veneer/vmm/kvm/host_probe.h"
#include "veneer/vmm/machine/machine.h"

namespace veneer {

// As things stand; KVM's own statistics are copied into `metrics` first.
GuestMetrics ReadMetrics(Machine& machine, const HostProfile& host, const Metrics& metrics);

// One JSON object: "stop", and what MetricsJson() says. Replaces the file as a whole.
Result<void> WriteMetricsFile(const std::string& path, const GuestMetrics& metrics,
                              const std::string& stop);

}  // namespace veneer
