#include "fio_run.h"

#include <cerrno>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace veneer::bench {

Result<Outcome> RunFio(const Disk& disk, const Workload& workload) {
  const std::string command = fmt::format(
      "fio --name=peer --filename='{}' --size={} --ioengine=io_uring --rw={}{} --bs={} "
      "--iodepth={} "
      "--direct={} --time_based --runtime={:.0f}ms --invalidate=0 --output-format=json 2>/dev/null",
      disk.path, disk.bytes, workload.random ? "rand" : "", workload.write ? "write" : "read",
      workload.block_bytes, workload.depth, workload.direct ? 1 : 0, disk.seconds * 1000);
  FILE* fio = popen(command.c_str(), "re");
  if (fio == nullptr) {
    return ErrnoError(errno, "cannot run fio");
  }
  std::string output;
  char part[4096];
  for (std::size_t count = 0; (count = std::fread(part, 1, sizeof part, fio)) > 0;) {
    output.append(part, count);
  }
  const auto start = output.find('{');
  const auto json = nlohmann::json::parse(
      start == std::string::npos ? std::string() : output.substr(start), nullptr, false);
  if (pclose(fio) != 0 || json.is_discarded()) {
    return HostError("fio failed (is it installed?): {}", command);
  }
  const auto& job = json.at("jobs").at(0);
  const auto& direction = job.at(workload.write ? "write" : "read");
  Outcome outcome;
  outcome.requests_per_second = direction.at("iops").get<double>();
  outcome.latency_us = direction.at("lat_ns").at("mean").get<double>() / 1000;
  const double busy = (job.at("usr_cpu").get<double>() + job.at("sys_cpu").get<double>()) / 100;
  outcome.cpu_us = busy * 1e6 / outcome.requests_per_second;
  return outcome;
}

}  // namespace veneer::bench
