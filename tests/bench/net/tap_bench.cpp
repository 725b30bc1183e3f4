#include "tap_bench.h"

#include <cstdio>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "src/bench/own_network.h"
#include "src/bench/samples.h"
#include "tap_peer.h"
#include "tap_runs.h"

namespace veneer::bench {
namespace {

struct Series {
  Samples ours{}, plain{}, ratio{};
  Samples our_gigabits{}, plain_gigabits{};
  Samples our_cpu{}, plain_cpu{};
  Samples company_gigabits{}, company_ratio{};  // a plain process beside a busy thread
  Samples kicks{}, upcalls{}, exits{};
};

std::vector<TapWorkload> Workloads(const TapBenchOptions& options) {
  std::vector<TapWorkload> all;
  for (const bool to_host : {true, false}) {
    const std::string way = to_host ? "guest to host" : "host to guest";
    // The host cuts them for an emulated NIC.
    const std::string cut = options.emulated && !to_host ? "cut" : "uncut";
    all.push_back({"TCP frames of 64 KiB, " + cut + ", " + way, to_host, 65226, true});
    all.push_back({"frames of 1514 bytes, " + way, to_host, 1514, false});
    all.push_back({"frames of 64 bytes, " + way, to_host, 64, false});
  }
  for (TapWorkload& workload : all) {
    workload.poll_us = options.poll_us;
    workload.guest_poll_us = options.guest_poll_us;
    workload.front_sleeps = options.front_sleeps;
    workload.emulated = options.emulated;
  }
  return all;
}

double Gigabits(const TapWorkload& workload, const TapOutcome& outcome) {
  const double bytes =
      outcome.frame_bytes > 0 ? outcome.frame_bytes : static_cast<double>(workload.frame_bytes);
  return outcome.frames_per_second * bytes * 8e-9;
}

const char* FrontEndName(const TapBenchOptions& options) {
  if (options.emulated) {
    return "emulated e1000, micro guest in ring 3";
  }
  return options.micro_guest ? "micro guest in ring 3" : "in process";
}

void Print(const TapWorkload& workload, const Series& series) {
  fmt::print("{}\n", workload.name);
  fmt::print("  frames/s  ours {}  plain {}\n", series.ours.Text(0), series.plain.Text(0));
  fmt::print("  Gb/s      ours {}  plain {}  ratio {}\n", series.our_gigabits.Text(2),
             series.plain_gigabits.Text(2), series.ratio.Text(3));
  if (series.company_ratio.count() > 0) {
    fmt::print("            plain beside a busy thread {}  ratio {}\n",
               series.company_gigabits.Text(2), series.company_ratio.Text(3));
  }
  if (series.our_cpu.Max() > 0) {
    fmt::print("  CPU us/frame  ours, with the front-end {}  plain {}\n", series.our_cpu.Text(2),
               series.plain_cpu.Text(2));
  }
  if (workload.emulated) {
    fmt::print("  per 16 frames: {:.2f} register accesses\n", series.exits.Median() * 16);
  } else {
    fmt::print("  per 16 frames: {:.2f} kicks, {:.2f} upcalls\n", series.kicks.Median() * 16,
               series.upcalls.Median() * 16);
  }
  std::fflush(stdout);
}

nlohmann::json ToJson(const TapWorkload& workload, const Series& series) {
  nlohmann::json json = {{"name", workload.name},
                         {"frame_bytes", workload.frame_bytes},
                         {"frames_per_second", series.ours.ToJson()},
                         {"plain_frames_per_second", series.plain.ToJson()},
                         {"gigabits_per_second", series.our_gigabits.ToJson()},
                         {"plain_gigabits_per_second", series.plain_gigabits.ToJson()},
                         {"ratio", series.ratio.ToJson()},  // of bits
                         {"cpu_us", series.our_cpu.ToJson()},
                         {"plain_cpu_us", series.plain_cpu.ToJson()},
                         {"kicks_per_frame", series.kicks.ToJson()},
                         {"upcalls_per_frame", series.upcalls.ToJson()},
                         {"exits_per_frame", series.exits.ToJson()}};
  if (series.company_ratio.count() > 0) {
    json["ratio_beside_busy_thread"] = series.company_ratio.ToJson();
  }
  return json;
}

}  // namespace

Result<void> RunTapBench(const TapBenchOptions& options, nlohmann::json& json) {
  VENEER_TRY(EnterOwnNetwork());
  fmt::print(
      "NIC with its front-end {}, and a plain process, each over a tap.\n"
      "Median [min..max] of {} alternating rounds of {} s.\n\n",
      FrontEndName(options), options.rounds, options.seconds);
  json["front_end"] = FrontEndName(options);
  for (const TapWorkload& workload : Workloads(options)) {
    if (workload.name.find(options.only) == std::string::npos) {
      continue;
    }
    Series series;
    for (unsigned round = 0; round < options.rounds; ++round) {
      VENEER_TRY_ASSIGN(const TapOutcome ours, options.micro_guest
                                                   ? RunMicroGuest(workload, options.seconds)
                                                   : RunBackEnd(workload, options.seconds));
      VENEER_TRY_ASSIGN(const TapOutcome plain, RunPlain(workload, options.seconds));
      if (options.micro_guest) {
        // The guest's processor is one more thread that is never idle. On a host with few
        // processors that alone costs a plain process half of its speed.
        VENEER_TRY_ASSIGN(const TapOutcome company, RunPlain(workload, options.seconds, true));
        series.company_gigabits.Add(Gigabits(workload, company));
        series.company_ratio.Add(Gigabits(workload, ours) / Gigabits(workload, company));
      }
      series.ours.Add(ours.frames_per_second);
      series.plain.Add(plain.frames_per_second);
      series.our_gigabits.Add(Gigabits(workload, ours));
      series.plain_gigabits.Add(Gigabits(workload, plain));
      series.ratio.Add(Gigabits(workload, ours) / Gigabits(workload, plain));
      series.our_cpu.Add(ours.cpu_us);
      series.plain_cpu.Add(plain.cpu_us);
      series.kicks.Add(ours.kicks);
      series.upcalls.Add(ours.upcalls);
      series.exits.Add(ours.exits);
    }
    Print(workload, series);
    json["tap"].push_back(ToJson(workload, series));
  }
  return {};
}

}  // namespace veneer::bench
