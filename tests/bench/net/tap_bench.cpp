#include "tap_bench.h"

#include <cstdio>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "tap_peer.h"
#include "tap_runs.h"
#include "veneer/bench/samples.h"

namespace veneer::bench {
namespace {

struct Series {
  Samples ours{}, plain{}, ratio{};
  Samples our_cpu{}, plain_cpu{};
  Samples kicks{}, upcalls{};
};

std::vector<TapWorkload> Workloads(unsigned poll_us) {
  std::vector<TapWorkload> all;
  for (const bool to_host : {true, false}) {
    const std::string way = to_host ? "guest to host" : "host to guest";
    all.push_back({"TCP frames of 64 KiB, uncut, " + way, to_host, 65226, true, poll_us});
    all.push_back({"frames of 1514 bytes, " + way, to_host, 1514, false, poll_us});
    all.push_back({"frames of 64 bytes, " + way, to_host, 64, false, poll_us});
  }
  return all;
}

void Print(const TapWorkload& workload, const Series& series) {
  const double gigabits = series.ours.Median() * static_cast<double>(workload.frame_bytes) * 8e-9;
  fmt::print("{}\n", workload.name);
  fmt::print("  frames/s  ours {}  plain {}  ratio {}  ({:.1f} Gb/s)\n", series.ours.Text(0),
             series.plain.Text(0), series.ratio.Text(3), gigabits);
  if (series.our_cpu.Max() > 0) {
    fmt::print("  CPU us/frame  ours, with the front-end {}  plain {}\n", series.our_cpu.Text(2),
               series.plain_cpu.Text(2));
  }
  fmt::print("  per 16 frames: {:.2f} kicks, {:.2f} upcalls\n", series.kicks.Median() * 16,
             series.upcalls.Median() * 16);
  std::fflush(stdout);
}

nlohmann::json ToJson(const TapWorkload& workload, const Series& series) {
  return {{"name", workload.name},
          {"frame_bytes", workload.frame_bytes},
          {"frames_per_second", series.ours.ToJson()},
          {"plain_frames_per_second", series.plain.ToJson()},
          {"ratio", series.ratio.ToJson()},
          {"cpu_us", series.our_cpu.ToJson()},
          {"plain_cpu_us", series.plain_cpu.ToJson()},
          {"kicks_per_frame", series.kicks.ToJson()},
          {"upcalls_per_frame", series.upcalls.ToJson()}};
}

}  // namespace

Result<void> RunTapBench(const TapBenchOptions& options, nlohmann::json& json) {
  VENEER_TRY(EnterOwnNetwork());
  fmt::print(
      "Net back-end with its front-end {}, and a plain process, each over a tap.\n"
      "Median [min..max] of {} alternating rounds of {} s.\n\n",
      options.micro_guest ? "in a guest's ring 3" : "in process", options.rounds, options.seconds);
  for (const TapWorkload& workload : Workloads(options.poll_us)) {
    if (workload.name.find(options.only) == std::string::npos) {
      continue;
    }
    Series series;
    for (unsigned round = 0; round < options.rounds; ++round) {
      VENEER_TRY_ASSIGN(const TapOutcome ours, options.micro_guest
                                                   ? RunMicroGuest(workload, options.seconds)
                                                   : RunBackEnd(workload, options.seconds));
      VENEER_TRY_ASSIGN(const TapOutcome plain, RunPlain(workload, options.seconds));
      series.ours.Add(ours.frames_per_second);
      series.plain.Add(plain.frames_per_second);
      series.ratio.Add(ours.frames_per_second / plain.frames_per_second);
      series.our_cpu.Add(ours.cpu_us);
      series.plain_cpu.Add(plain.cpu_us);
      series.kicks.Add(ours.kicks);
      series.upcalls.Add(ours.upcalls);
    }
    Print(workload, series);
    json["tap"].push_back(ToJson(workload, series));
  }
  return {};
}

}  // namespace veneer::bench
