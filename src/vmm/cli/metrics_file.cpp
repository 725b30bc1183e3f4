#include "metrics_file.h"

#include <nlohmann/json.hpp>

#include "veneer/vmm/base/text_file.h"

namespace veneer {

Result<void> WriteMetricsFile(const std::string& path, const HostProfile& host,
                              const std::vector<Milestone>& milestones, const Metrics& metrics,
                              const std::string& stop) {
  nlohmann::ordered_json json;
  json["stop"] = stop;
  json["host"] = {{"emulated_kernel", host.emulated_kernel},
                  {"kernel_instructions_per_second", host.kernel_instructions_per_second}};
  json["milestones"] = nlohmann::ordered_json::array();
  for (const Milestone& milestone : milestones) {
    json["milestones"].push_back({{"name", milestone.name},
                                  {"seconds", static_cast<double>(milestone.at_ns) / 1e9},
                                  {"kernel_instructions", milestone.kernel_instructions}});
  }
  json["counters"] = metrics.Snapshot();
  if (const Result<void> written = ReplaceFile(path, json.dump(2) + "\n"); !written) {
    return WithContext(written.error(), "--metrics");
  }
  return {};
}

}  // namespace veneer
