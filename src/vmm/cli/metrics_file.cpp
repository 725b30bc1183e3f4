#include "metrics_file.h"

#include <nlohmann/json.hpp>

#include "veneer/vmm/base/text_file.h"
#include "veneer/vmm/control/guest_metrics.h"

namespace veneer {

GuestMetrics ReadMetrics(Machine& machine, const HostProfile& host, const Metrics& metrics) {
  machine.CollectStatistics();
  GuestMetrics read{.emulated_kernel = host.emulated_kernel,
                    .kernel_instructions_per_second = host.kernel_instructions_per_second,
                    .milestones = {},
                    .counters = metrics.Snapshot(),
                    .vcpus = {}};
  for (const Milestone& milestone : machine.Milestones()) {
    read.milestones.push_back({milestone.name, milestone.at_ns, milestone.kernel_instructions});
  }
  for (const VcpuUsage& usage : machine.Usage()) {
    read.vcpus.push_back({usage.run_ns, usage.stolen_ns});
  }
  return read;
}

Result<void> WriteMetricsFile(const std::string& path, const GuestMetrics& metrics,
                              const std::string& stop) {
  nlohmann::ordered_json json{{"stop", stop}};
  json.update(MetricsJson(metrics));
  if (const Result<void> written = ReplaceFile(path, json.dump(2) + "\n"); !written) {
    return WithContext(written.error(), "--metrics");
  }
  return {};
}

}  // namespace veneer
