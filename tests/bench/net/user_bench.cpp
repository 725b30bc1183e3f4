#include "user_bench.h"

#include <cstdio>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "src/bench/samples.h"
#include "user_run.h"

namespace veneer::bench {
namespace {

struct Series {
  std::string name;
  Direction direction;
  Samples ours{}, slirp{}, ratio{}, our_cpu{}, slirp_cpu{};
};

void Print(const Series& series) {
  fmt::print("{}\n  Gb/s       ours {}  libslirp {}  ratio {}\n", series.name, series.ours.Text(2),
             series.slirp.Text(2), series.ratio.Text(3));
  fmt::print("  CPU ns/KiB ours {}  libslirp {}\n", series.our_cpu.Text(0),
             series.slirp_cpu.Text(0));
  static_cast<void>(std::fflush(stdout));
}

nlohmann::json ToJson(const Series& series, const UserBenchOptions& options) {
  return {{"name", "user-mode network, " + series.name},
          {"mtu", options.mtu},
          {"gigabits_per_second", series.ours.ToJson()},
          {"libslirp_gigabits_per_second", series.slirp.ToJson()},
          {"ratio", series.ratio.ToJson()},
          {"cpu_ns_per_kib", series.our_cpu.ToJson()},
          {"libslirp_cpu_ns_per_kib", series.slirp_cpu.ToJson()}};
}

}  // namespace

Result<void> RunUserBench(const UserBenchOptions& options, nlohmann::json& json) {
  std::vector<Series> all{{.name = "TCP guest to host", .direction = Direction::kToHost},
                          {.name = "TCP host to guest", .direction = Direction::kToGuest}};
  fmt::print(
      "A user-mode network, MTU {}, against libslirp in a poll() loop.\n"
      "Median [min..max] of {} alternating rounds of {} s.\n\n",
      options.mtu, options.rounds, options.seconds);
  for (Series& series : all) {
    for (unsigned round = 0; round < options.rounds; ++round) {
      VENEER_TRY_ASSIGN(const UserOutcome ours, RunUserLink(options, series.direction));
      VENEER_TRY_ASSIGN(const UserOutcome slirp, RunSlirp(options, series.direction));
      series.ours.Add(ours.gbit_per_second);
      series.slirp.Add(slirp.gbit_per_second);
      series.ratio.Add(ours.gbit_per_second / slirp.gbit_per_second);
      series.our_cpu.Add(ours.cpu_ns_per_kib);
      series.slirp_cpu.Add(slirp.cpu_ns_per_kib);
    }
    Print(series);
    json["workloads"].push_back(ToJson(series, options));
  }
  return {};
}

}  // namespace veneer::bench
