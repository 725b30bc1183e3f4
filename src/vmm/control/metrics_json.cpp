#include "veneer/vmm/control/guest_metrics.h"

namespace veneer {

nlohmann::ordered_json MetricsJson(const GuestMetrics& metrics) {
  nlohmann::ordered_json json;
  json["host"] = {{"emulated_kernel", metrics.emulated_kernel},
                  {"kernel_instructions_per_second", metrics.kernel_instructions_per_second}};
  json["milestones"] = nlohmann::ordered_json::array();
  for (const GuestMetrics::Milestone& milestone : metrics.milestones) {
    json["milestones"].push_back({{"name", milestone.name},
                                  {"seconds", static_cast<double>(milestone.at_ns) / 1e9},
                                  {"kernel_instructions", milestone.kernel_instructions}});
  }
  json["counters"] = metrics.counters;
  return json;
}

}  // namespace veneer
