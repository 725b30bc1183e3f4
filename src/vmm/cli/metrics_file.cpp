#include "metrics_file.h"

#include <cerrno>
#include <cstdio>
#include <fstream>

#include <nlohmann/json.hpp>

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
  // A reader must never find half a file.
  const std::string temporary = path + ".new";
  std::ofstream file(temporary);
  file << json.dump(2) << '\n';
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    static_cast<void>(std::remove(temporary.c_str()));
    return ErrnoError(errno, fmt::format("--metrics: cannot write '{}'", path));
  }
  return {};
}

}  // namespace veneer
