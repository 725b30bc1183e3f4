// What a kick, a hypercall and an upcall cost, measured by a micro guest (guests/micro, bench.cpp):
// an EVTCHNOP_send that ends at an eventfd in the kernel beside one that leaves to userspace.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include <CLI/App.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "bench/support/program.h"
#include "src/bench/samples.h"

namespace veneer::bench {
namespace {

// A kick that ends in the kernel shall cost a third of one that does not, at most.
constexpr double kBar = 1.0 / 3;

// Microseconds per operation, by the guest's name of it.
using Figures = std::map<std::string, Samples>;

bool Measure(const std::string& transport, Figures& figures) {
  const std::string command = fmt::format(
      "{} run --kernel {} --entry pvh --memory 64M --log-level warning --timeout 120 "
      "{} --cmdline 'bench {}' </dev/null",
      VENEER_PROGRAM, VENEER_MICRO64,
      // Where KVM intercepts hypercalls no site is rewritten.
      transport == "transport=sites" ? "--kvm-xen off" : "", transport);
  FILE* guest = popen(command.c_str(), "re");
  if (guest == nullptr) {
    return false;
  }
  char line[256];
  while (std::fgets(line, sizeof line, guest) != nullptr) {
    char name[64];
    long count = 0;
    long long ns = 0;
    if (std::sscanf(line, "bench %63s %li %lli", name, &count, &ns) == 3 && count > 0) {
      figures[name].Add(static_cast<double>(ns) / 1e3 / static_cast<double>(count));
    }
  }
  return pclose(guest) == 0 && figures.contains("send-ioeventfd") &&
         figures.contains("send-userspace") && figures.contains("own-instructions") &&
         figures.contains("ring3-exit") && figures.contains("ring3-ioeventfd");
}

void PrintRow(const std::string& name, const std::string& us, double ratio) {
  fmt::print("{:<18}{:<28}{:.2f}\n", name, us, ratio);
}

void PrintTable(const std::string& transport, const Figures& figures) {
  const auto median = [&](const char* name) { return figures.at(name).Median(); };
  fmt::print("{}, median [min..max] of {} alternating rounds\n", transport,
             figures.at("send-userspace").count());
  fmt::print("{:<18}{:<28}{}\n", "from ring 3", "us", "ratio to an exit");
  for (const char* name : {"ring3-exit", "ring3-ioeventfd"}) {
    PrintRow(name, figures.at(name).Text(2), median(name) / median("ring3-exit"));
  }
  PrintRow("bar", "", kBar);
  // What the guest executes itself is the same for all; on hosts that interpret it, it is dear.
  const double own = median("own-instructions");
  fmt::print("{:<18}{:<28}{}\n", "from ring 0", "us",
             "beyond own-instructions, ratio to send-userspace");
  for (const auto& [name, samples] : figures) {
    if (!name.starts_with("ring3")) {
      PrintRow(name, samples.Text(2), (samples.Median() - own) / (median("send-userspace") - own));
    }
  }
  fmt::print("\n");
}

Result<void> Run(nlohmann::json& json) {
  for (const std::string transport : {"transport=page", "transport=sites"}) {
    Figures figures;
    if (!Measure(transport, figures)) {
      return HostError("the micro guest gave no figures; its messages are above");
    }
    PrintTable(transport, figures);
    for (const auto& [name, samples] : figures) {
      json[transport][name] = samples.ToJson();
    }
  }
  return {};
}

}  // namespace
}  // namespace veneer::bench

int main(int argc, char** argv) {
  using namespace veneer::bench;
  CLI::App app("What kicks, hypercalls and upcalls cost on this host", "bench_events");
  return RunProgram(app, argc, argv, Run);
}
