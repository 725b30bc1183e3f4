// What it costs to start a guest: CPU time from exec to the first KVM_RUN, and memory beside guest
// RAM at that moment, with QEMU's microvm in the same alternating run.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "bench/support/program.h"
#include "first_entry.h"
#include "src/bench/samples.h"

namespace veneer::bench {
namespace {

// What the best microVM monitor promises, and so do we.
constexpr double kCpuBarMs = 8;
constexpr double kMemoryBarMib = 5;

struct Options {
  std::string veneer = VENEER_PROGRAM;
  std::string qemu = "qemu-system-x86_64";
  std::string kernel;
  unsigned memory_mib = 128;
  unsigned rounds = 11;
  bool without_qemu = false;
  bool details = false;
  std::string json;
};

// A program under measurement and what was found.
struct Contender {
  std::string name;
  std::vector<std::string> argv;
  std::string guest_ram;  // how the name of the guest's RAM mapping begins
  Samples cpu_ms{};
  Samples rss_mib{};
  Samples pss_mib{};
  Samples own_mib{};
  MemoryMap last{};
};

Contender Veneer(const Options& options) {
  return {.name = "veneer",
          .argv = {options.veneer, "run", "--kernel", options.kernel, "--memory",
                   fmt::format("{}M", options.memory_mib), "--cmdline", "console=ttyS0", "--serial",
                   "off"},
          .guest_ram = "/dev/zero"};
}

// Guest RAM is a memory file there too, so that it can be told from the rest.
Contender Qemu(const Options& options) {
  const std::string memory = fmt::format("{}M", options.memory_mib);
  return {
      .name = "qemu microvm",
      .argv = {options.qemu, "-M", "microvm,accel=kvm,kernel-irqchip=on,memory-backend=ram",
               "-object", "memory-backend-memfd,id=ram,size=" + memory, "-m", memory, "-cpu",
               "host,arch-capabilities=off", "-kernel", options.kernel, "-append", "console=ttyS0",
               "-nodefaults", "-no-user-config", "-display", "none", "-serial", "null"},
      .guest_ram = "/memfd:memory-backend"};
}

double Mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1U << 20U); }

Result<void> Measure(Contender& contender) {
  VENEER_TRY_ASSIGN(FirstEntry entry, MeasureFirstEntry(contender.argv));
  const ResidentBytes beside = SumBeside(entry.memory, contender.guest_ram);
  contender.cpu_ms.Add(static_cast<double>(entry.cpu_ns) / 1e6);
  contender.rss_mib.Add(Mib(beside.rss));
  contender.pss_mib.Add(Mib(beside.pss));
  contender.own_mib.Add(Mib(beside.own));
  contender.last = std::move(entry.memory);
  return {};
}

bool InPath(const std::string& program) {
  if (program.find('/') != std::string::npos) {
    return access(program.c_str(), X_OK) == 0;
  }
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (access(fmt::format("{}/{}", rest.substr(0, end), program).c_str(), X_OK) == 0) {
      return true;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

// The last line of what the recipe prints is the kernel's path; its progress goes to our stderr.
Result<std::string> TestKernel() {
  FILE* recipe = popen(VENEER_TEST_KERNEL " --vmlinux", "re");
  if (recipe == nullptr) {
    return ErrnoError(errno, "cannot run " VENEER_TEST_KERNEL);
  }
  char line[4096] = {};
  const bool read = std::fgets(line, sizeof line, recipe) != nullptr;
  if (pclose(recipe) != 0 || !read) {
    return HostError("{} gave no kernel; name one with --kernel", VENEER_TEST_KERNEL);
  }
  std::string path(line);
  path.erase(path.find_last_not_of('\n') + 1);
  return path;
}

void PrintTable(const std::vector<Contender>& contenders, const Options& options) {
  fmt::print("Start to the first KVM_RUN: {} MiB guest, {}\n", options.memory_mib, options.kernel);
  fmt::print("Median [min..max] of {} alternating rounds; memory is beside guest RAM.\n\n",
             options.rounds);
  fmt::print("{:<14}{:<24}{:<9}{:<24}{:<9}{:<16}{}\n", "program", "CPU ms", "ratio", "resident MiB",
             "ratio", "shared divided", "own pages MiB");
  const Contender& ours = contenders.front();
  for (const Contender& each : contenders) {
    fmt::print("{:<14}{:<24}{:<9.2f}{:<24}{:<9.2f}{:<16.2f}{:.2f}\n", each.name,
               each.cpu_ms.Text(2), each.cpu_ms.Median() / ours.cpu_ms.Median(),
               each.rss_mib.Text(2), each.rss_mib.Median() / ours.rss_mib.Median(),
               each.pss_mib.Median(), each.own_mib.Median());
  }
  fmt::print("{:<14}{:<33}{}\n", "bar", fmt::format("{:.0f}", kCpuBarMs),
             fmt::format("{:.0f}", kMemoryBarMib));
}

// Which mappings make up the figure, the largest first.
void PrintDetails(const Contender& contender) {
  std::vector<std::pair<std::string, ResidentBytes>> sorted(contender.last.begin(),
                                                            contender.last.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second.rss > b.second.rss; });
  fmt::print("\n{}: resident and own KiB by mapping\n", contender.name);
  for (const auto& [name, bytes] : sorted) {
    if (bytes.rss > 0) {
      fmt::print("{:>8} {:>8}  {}\n", bytes.rss >> 10U, bytes.own >> 10U, name);
    }
  }
}

nlohmann::json Json(const std::vector<Contender>& contenders, const Options& options) {
  nlohmann::json json = {{"benchmark", "startup"},
                         {"guest_memory_mib", options.memory_mib},
                         {"kernel", options.kernel},
                         {"build_type", VENEER_BUILD_TYPE},
                         {"bars", {{"cpu_ms", kCpuBarMs}, {"resident_mib", kMemoryBarMib}}}};
  const Contender& ours = contenders.front();
  for (const Contender& each : contenders) {
    json["programs"].push_back({{"name", each.name},
                                {"cpu_ms", each.cpu_ms.ToJson()},
                                {"resident_mib", each.rss_mib.ToJson()},
                                {"proportional_mib", each.pss_mib.ToJson()},
                                {"own_mib", each.own_mib.ToJson()},
                                {"cpu_ratio", each.cpu_ms.Median() / ours.cpu_ms.Median()},
                                {"resident_ratio", each.rss_mib.Median() / ours.rss_mib.Median()}});
  }
  return json;
}

Result<void> Run(Options options, nlohmann::json& json) {
  if (!options.without_qemu && !InPath(options.qemu)) {
    return HostError(
        "{} is not installed: run 'apt-get install qemu-system-x86', or give --without-qemu to "
        "measure Veneer alone",
        options.qemu);
  }
  if (options.kernel.empty()) {
    VENEER_TRY_ASSIGN(options.kernel, TestKernel());
  }
  const std::string_view build_type = VENEER_BUILD_TYPE;
  if (build_type != "Release" && build_type != "RelWithDebInfo") {
    fmt::print("Note: this is a {} build; only optimised builds are worth measuring.\n",
               build_type.empty() ? "plain" : build_type);
  }
  std::vector<Contender> contenders{Veneer(options)};
  if (!options.without_qemu) {
    contenders.push_back(Qemu(options));
  }
  for (unsigned round = 0; round < options.rounds; ++round) {
    for (Contender& contender : contenders) {
      VENEER_TRY(Measure(contender));
    }
  }
  PrintTable(contenders, options);
  if (options.details) {
    std::for_each(contenders.begin(), contenders.end(), PrintDetails);
  }
  json = Json(contenders, options);
  return {};
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app{"Measures the CPU time and the memory it takes to start a guest.", "bench_startup"};
  app.add_option("--kernel", options.kernel,
                 "Uncompressed vmlinux with a PVH note (default: guests/linux/test-kernel)")
      ->envname("VENEER_BENCH_KERNEL");
  app.add_option("--memory", options.memory_mib, "Guest memory in MiB")->capture_default_str();
  app.add_option("--rounds", options.rounds, "Alternating rounds")
      ->check(CLI::Range(5U, 1000U))
      ->capture_default_str();
  app.add_option("--veneer", options.veneer, "The program to measure")->capture_default_str();
  app.add_option("--qemu", options.qemu, "Its peer")->capture_default_str();
  app.add_flag("--without-qemu", options.without_qemu, "Measure Veneer alone");
  app.add_flag("--details", options.details, "Show what makes up the memory figures");
  return RunProgram(app, argc, argv,
                    [&options](nlohmann::json& json) { return Run(options, json); });
}

}  // namespace
}  // namespace veneer::bench

int main(int argc, char** argv) { return veneer::bench::Main(argc, argv); }
