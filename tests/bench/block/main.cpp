// The block back-end, with a front-end in the same process or in a guest's ring 3, or an emulated
// disk with such a driver, and fio with io_uring on the same file in the same alternating run.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "back_end_run.h"
#include "bench/support/program.h"
#include "fio_run.h"
#include "guest_run.h"
#include "src/bench/samples.h"
#include "veneer/vmm/base/unique_fd.h"
#include "workload.h"

namespace veneer::bench {
namespace {

struct Options {
  Disk disk;
  unsigned size_mib = 1024;
  unsigned rounds = 5;
  bool micro_guest = false;  // the front-end is guests/micro instead of one in this process
  std::string only;
};

struct Series {
  Workload workload;
  Samples ours_rate{}, fio_rate{}, rate_ratio{};
  Samples ours_latency{}, fio_latency{}, latency_ratio{};
  Samples ours_cpu{}, fio_cpu{};
  Samples kicks{}, upcalls{}, exits{};

  void Add(const Outcome& ours, const Outcome& fio) {
    ours_rate.Add(ours.requests_per_second);
    fio_rate.Add(fio.requests_per_second);
    rate_ratio.Add(ours.requests_per_second / fio.requests_per_second);
    ours_latency.Add(ours.latency_us);
    fio_latency.Add(fio.latency_us);
    latency_ratio.Add(ours.latency_us / fio.latency_us);
    ours_cpu.Add(ours.cpu_us);
    fio_cpu.Add(fio.cpu_us);
    kicks.Add(ours.kicks);
    upcalls.Add(ours.upcalls);
    exits.Add(ours.exits);
  }
};

std::vector<Series> AllWorkloads() {
  std::vector<Series> all;
  for (const bool direct : {true, false}) {
    for (const bool write : {false, true}) {
      const std::string suffix =
          fmt::format("{} {}", write ? "write" : "read", direct ? "direct" : "cached");
      all.push_back({{.name = "256K sequential depth 8 " + suffix,
                      .write = write,
                      .random = false,
                      .direct = direct,
                      .block_bytes = 256 * 1024,
                      .depth = 8}});
      all.push_back({{.name = "4K random depth 32 " + suffix,
                      .write = write,
                      .random = true,
                      .direct = direct,
                      .block_bytes = 4096,
                      .depth = 32}});
      all.push_back({{.name = "4K random depth 1 " + suffix,
                      .write = write,
                      .random = true,
                      .direct = direct,
                      .block_bytes = 4096,
                      .depth = 1}});
    }
  }
  return all;
}

// Writes the whole file once, so that no run measures the making of extents or the reading of
// holes.
Result<void> Fill(const Disk& disk) {
  const UniqueFd file(open(disk.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  struct stat info {};
  if (!file.valid() || fstat(file.get(), &info) != 0) {
    return ErrnoError(errno, fmt::format("cannot make '{}'", disk.path));
  }
  if (static_cast<std::uint64_t>(info.st_size) >= disk.bytes &&
      static_cast<std::uint64_t>(info.st_blocks) * 512 >= disk.bytes) {
    return {};
  }
  std::vector<char> data(1U << 20U);
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<char>(i * 2654435761U >> 13U);
  }
  for (std::uint64_t at = 0; at < disk.bytes; at += data.size()) {
    if (pwrite(file.get(), data.data(), data.size(), static_cast<off_t>(at)) < 0) {
      return ErrnoError(errno, fmt::format("cannot fill '{}'", disk.path));
    }
  }
  fsync(file.get());
  return {};
}

// Reads the whole file into the page cache, which hosts that are guests themselves are known to
// lose within minutes.
Result<void> WarmCache(const Disk& disk) {
  const UniqueFd file(open(disk.path.c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<char> data(1U << 20U);
  for (std::uint64_t at = 0; at < disk.bytes; at += data.size()) {
    if (pread(file.get(), data.data(), data.size(), static_cast<off_t>(at)) < 0) {
      return ErrnoError(errno, fmt::format("cannot read '{}'", disk.path));
    }
  }
  return {};
}

void Print(const Series& series) {
  fmt::print("{}\n", series.workload.name);
  fmt::print("  requests/s  ours {}  fio {}  ratio {}\n", series.ours_rate.Text(0),
             series.fio_rate.Text(0), series.rate_ratio.Text(3));
  fmt::print("  latency us  ours {}  fio {}  ratio {}\n", series.ours_latency.Text(1),
             series.fio_latency.Text(1), series.latency_ratio.Text(3));
  if (series.ours_cpu.Max() > 0) {
    fmt::print("  CPU us/req  ours {}  fio {}\n", series.ours_cpu.Text(2), series.fio_cpu.Text(2));
  }
  if (series.exits.Max() > 0) {
    fmt::print("  per request: {:.1f} register accesses\n", series.exits.Median());
  } else {
    fmt::print("  per 16 requests: {:.2f} kicks, {:.2f} upcalls\n", series.kicks.Median() * 16,
               series.upcalls.Median() * 16);
  }
  static_cast<void>(std::fflush(stdout));
}

const char* FrontEndName(const Options& options) {
  if (options.disk.emulated) {
    return "emulated IDE, micro guest in ring 3";
  }
  return options.micro_guest ? "micro guest in ring 3" : "in process";
}

nlohmann::json Json(const std::vector<Series>& all, const Options& options) {
  nlohmann::json json = {{"benchmark", "block"},
                         {"file", options.disk.path},
                         {"bytes", options.disk.bytes},
                         {"front_end", FrontEndName(options)},
                         {"build_type", VENEER_BUILD_TYPE}};
  for (const Series& series : all) {
    json["workloads"].push_back({{"name", series.workload.name},
                                 {"requests_per_second", series.ours_rate.ToJson()},
                                 {"fio_requests_per_second", series.fio_rate.ToJson()},
                                 {"rate_ratio", series.rate_ratio.ToJson()},
                                 {"latency_us", series.ours_latency.ToJson()},
                                 {"fio_latency_us", series.fio_latency.ToJson()},
                                 {"latency_ratio", series.latency_ratio.ToJson()},
                                 {"cpu_us", series.ours_cpu.ToJson()},
                                 {"fio_cpu_us", series.fio_cpu.ToJson()},
                                 {"kicks_per_request", series.kicks.ToJson()},
                                 {"upcalls_per_request", series.upcalls.ToJson()},
                                 {"exits_per_request", series.exits.ToJson()}});
  }
  return json;
}

Result<void> Run(Options options, nlohmann::json& json) {
  options.disk.bytes = std::uint64_t{options.size_mib} << 20U;
  VENEER_TRY(Fill(options.disk));
  std::vector<Series> all = AllWorkloads();
  std::erase_if(all, [&options](const Series& series) {
    return series.workload.name.find(options.only) == std::string::npos;
  });
  fmt::print(
      "Disk with its front-end {}, against fio (io_uring) on {}, {} MiB.\n"
      "Median [min..max] of {} alternating rounds of {} s.\n{}\n",
      FrontEndName(options), options.disk.path, options.size_mib, options.rounds,
      options.disk.seconds,
      options.disk.emulated
          ? "IDE has one request under way, whatever depth fio is given: depth 1 stands for all.\n"
          : "");
  for (Series& series : all) {
    if (!series.workload.direct) {
      VENEER_TRY(WarmCache(options.disk));
    }
    for (unsigned round = 0; round < options.rounds; ++round) {
      VENEER_TRY_ASSIGN(const Outcome ours, options.micro_guest
                                                ? RunGuest(options.disk, series.workload)
                                                : RunBackEnd(options.disk, series.workload));
      VENEER_TRY_ASSIGN(const Outcome fio, RunFio(options.disk, series.workload));
      series.Add(ours, fio);
    }
    Print(series);
  }
  json = Json(all, options);
  return {};
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app{"Compares the block back-end with fio.", "bench_block"};
  app.add_option("--file", options.disk.path, "Where to work; made and filled if need be")
      ->required();
  app.add_option("--size", options.size_mib, "Its size in MiB")->capture_default_str();
  app.add_option("--seconds", options.disk.seconds, "Length of one run")->capture_default_str();
  app.add_option("--rounds", options.rounds, "Alternating rounds")->capture_default_str();
  app.add_option("--poll", options.disk.poll_us, "Longest polling of the back-end, us")
      ->capture_default_str();
  CLI::Option* const micro_guest = app.add_flag(
      "--micro-guest", options.micro_guest,
      "Run the front-end in a guest's ring 3: with real kicks, upcalls and guest memory");
  app.add_flag("--emulated", options.disk.emulated,
               "With --micro-guest: an emulated IDE disk, whose driver looks for the end of each "
               "request, instead of a PV one")
      ->needs(micro_guest);
  app.add_flag(
      "--front-sleeps", options.disk.front_sleeps,
      "The front-end sleeps until an upcall at once, instead of looking at its ring first");
  app.add_option("--guest-poll", options.disk.guest_poll_us,
                 "How long the micro guest looks at its ring before waiting for an upcall, us")
      ->capture_default_str();
  app.add_option("--only", options.only, "Workloads whose name contains this, such as 'depth 32'");
  return RunProgram(app, argc, argv,
                    [&options](nlohmann::json& json) { return Run(options, json); });
}

}  // namespace
}  // namespace veneer::bench

int main(int argc, char** argv) { return veneer::bench::Main(argc, argv); }
