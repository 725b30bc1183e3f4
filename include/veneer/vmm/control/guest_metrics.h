// What can be counted about a guest, and how it is written.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "veneer/vmm/control/guest_control.h"

namespace veneer {

// One JSON object: "host", "milestones" (seconds since the first KVM_RUN, interpreted kernel
// instructions), "counters" by dotted name.
nlohmann::ordered_json MetricsJson(const GuestMetrics& metrics);

// Prometheus's text format, version 0.0.4: names with their units, each sample with the label
// `guest`, those of devices and vCPUs with labels that say which.
std::string PrometheusText(const GuestInfo& info, const GuestMetrics& metrics);

}  // namespace veneer
