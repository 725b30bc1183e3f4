#include "bench_command.h"

#include <sys/utsname.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>

#include "exit_code.h"
#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/kvm/host_probe.h"
#include "veneer/vmm/kvm/kvm_system.h"

namespace veneer {
namespace {

constexpr unsigned kLeastDiskMib = 64;
constexpr unsigned kMostDiskMib = 65536;

// Where guests/bench leaves the guest that it makes.
std::string GuestFile(const char* name) {
  return bench::ProgramFolder().parent_path() / "guests" / "bench" / name;
}

std::string Processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) {
      return line.substr(line.find(':') + 2);
    }
  }
  return "unknown processor";
}

Result<void> DescribeHost(bench::BenchOptions& options) {
  VENEER_TRY_ASSIGN(const std::unique_ptr<KvmSystem> system, KvmSystem::Open());
  VENEER_TRY_ASSIGN(const HostProfile profile,
                    ProbeHost(*system, HostClock(), /*measure_speed=*/true));
  utsname kernel{};
  uname(&kernel);
  options.interpreted_kernel = profile.emulated_kernel;
  options.host = {
      {"host", fmt::format("{}, {} processors, Linux {}", Processor(),
                           std::thread::hardware_concurrency(), kernel.release)},
      {"guest kernels",
       profile.emulated_kernel
           ? fmt::format("interpreted (PVM), {:.1f} million instructions a second",
                         static_cast<double>(profile.kernel_instructions_per_second) / 1e6)
           : "at full speed"},
      {"guest", fmt::format("{}, {} vCPU, {}",
                            std::filesystem::canonical(options.kernel).filename().string(),
                            options.cpus, options.memory)},
      {"runs", options.quick ? "quick: 2 short rounds, for a first impression" : "5 rounds"}};
  return {};
}

}  // namespace

void DeclareBenchOptions(CLI::App& command, bench::BenchOptions& options) {
  options.kernel = GuestFile("kernel");
  options.initrd = GuestFile("initrd");
  options.folder = "veneer-bench";
  command.add_flag("--quick", options.quick, "Short runs: minutes instead of half an hour");
  command
      .add_option("--output", options.folder,
                  "Where bench.txt, bench.json, bench.svg and bench.png go; a run that was "
                  "interrupted goes on with what is there")
      ->type_name("DIR")
      ->capture_default_str();
  command.add_flag("--fresh", options.fresh, "Forget the figures in --output");
  command
      .add_option("--part", options.parts,
                  "Only this part; repeatable: disk and net (loads in a Linux guest), micro (a "
                  "guest that is nothing but drivers), back-ends (without a guest)")
      ->check(CLI::IsMember(
          std::vector<std::string>(std::begin(bench::kParts), std::end(bench::kParts))))
      ->type_name("PART")
      ->allow_extra_args(false);
  command
      .add_option("--kernel", options.kernel,
                  "The guest's kernel, with blkfront, netfront, ata_piix and e1000 (default: what "
                  "guests/bench has made)")
      ->type_name("FILE");
  command.add_option("--initrd", options.initrd, "Its initial RAM disk, with /bin/veneer-load")
      ->type_name("FILE");
  command.add_option("--memory", options.memory, "The guest's memory")
      ->type_name("SIZE")
      ->capture_default_str();
  command.add_option("--cpus", options.cpus, "Its vCPUs")
      ->check(CLI::Range(1U, 32U))
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--disk-size", options.disk_mib, "Size of its disks, MiB")
      ->check(CLI::Range(kLeastDiskMib, kMostDiskMib))
      ->type_name("MIB")
      ->capture_default_str();
  command.footer(
      "Boots a guest with two disks and two NICs, one of each emulated, one PV, and lets the same\n"
      "program load each of them and the host, in turns. The networks are taps in a network\n"
      "namespace of their own; no rights are needed where users may make such.\n");
}

int BenchCommand(bench::BenchOptions options) {
  Result<void> done = bench::CheckGuest(options);
  if (done) {
    done = DescribeHost(options);
  }
  if (done) {
    done = bench::RunBench(options);
  }
  if (done) {
    return static_cast<int>(ExitCode::kOk);
  }
  if (done.error().kind == ErrorKind::kCanceled) {
    fmt::print(stderr, "\nveneer bench: interrupted; the same command goes on from here\n");
    return static_cast<int>(ExitCode::kSignalBase) + SIGINT;
  }
  fmt::print(stderr, "\nveneer bench: {}\n", done.error().message);
  return static_cast<int>(done.error().kind == ErrorKind::kUsage ? ExitCode::kUsage
                                                                 : ExitCode::kHostError);
}

}  // namespace veneer
