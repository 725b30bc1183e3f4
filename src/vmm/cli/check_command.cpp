#include "check_command.h"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "exit_code.h"
#include "host_report.h"
#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

void PrintTable(const std::vector<HostFact>& facts) {
  std::size_t subject_width = 0;
  std::size_t finding_width = 0;
  for (const HostFact& fact : facts) {
    subject_width = std::max(subject_width, fact.subject.size());
    finding_width = std::max(finding_width, fact.finding.size());
  }
  for (const HostFact& fact : facts) {
    fmt::print("{:<{}}  {:<{}}  {}\n", fact.subject, subject_width, fact.finding, finding_width,
               fact.consequence);
  }
}

void PrintJson(const std::vector<HostFact>& facts, const HostProfile& profile) {
  nlohmann::ordered_json json;
  json["usable"] = true;
  json["emulated_kernel"] = profile.emulated_kernel;
  json["kernel_instructions_per_second"] = profile.kernel_instructions_per_second;
  json["probe_milliseconds"] = static_cast<double>(profile.probe_ns) / 1e6;
  for (const HostFact& fact : facts) {
    json["facts"][fact.key] = {{"finding", fact.finding}, {"consequence", fact.consequence}};
  }
  fmt::print("{}\n", json.dump(2));
}

int Fail(const Error& error, bool json) {
  if (json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"usable", false}, {"error", error.message}}.dump(2));
  }
  fmt::print(stderr, "veneer: {}\n", error.message);
  return static_cast<int>(ExitCode::kHostError);
}

}  // namespace

int CheckCommand(bool json) {
  const Result<std::unique_ptr<KvmSystem>> system = KvmSystem::Open();
  if (!system) {
    return Fail(system.error(), json);
  }
  const Result<HostProfile> profile = ProbeHost(**system, HostClock(), /*measure_speed=*/true);
  if (!profile) {
    return Fail(profile.error(), json);
  }
  const std::vector<HostFact> facts =
      HostFacts((*system)->capabilities(), *profile, ProbeResources());
  if (json) {
    PrintJson(facts, *profile);
  } else {
    PrintTable(facts);
  }
  return static_cast<int>(ExitCode::kOk);
}

}  // namespace veneer
