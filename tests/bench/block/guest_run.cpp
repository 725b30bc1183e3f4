#include "guest_run.h"

#include <cerrno>
#include <cstdio>
#include <optional>

#include <fmt/core.h>

namespace veneer::bench {
namespace {

// Commas in a value of --disk are written twice, quotes in the shell's way.
std::string DiskOption(const Disk& disk, const Workload& workload) {
  std::string path;
  for (const char c : disk.path) {
    path += c == ',' ? ",," : c == '\'' ? "'\\''" : std::string(1, c);
  }
  const std::string bus = disk.emulated ? "bus=ide" : fmt::format("poll={}", disk.poll_us);
  return fmt::format("'path={},direct={},{}'", path, workload.direct ? "on" : "off", bus);
}

// An IDE disk takes one request after the other.
unsigned Depth(const Disk& disk, const Workload& workload) {
  return disk.emulated ? 1 : workload.depth;
}

// The words of guests/micro/README.md.
std::string Words(const Disk& disk, const Workload& workload) {
  return fmt::format("tests=none {} {} {} block={} depth={} ms={:.0f} poll={}",
                     disk.emulated ? "idebench" : "blkbench", workload.write ? "write" : "read",
                     workload.random ? "random" : "sequential", workload.block_bytes / 1024,
                     Depth(disk, workload), disk.seconds * 1000,
                     disk.front_sleeps ? 0 : disk.guest_poll_us);
}

std::optional<Outcome> ParseLine(const char* line, const Disk& disk, const Workload& workload) {
  char name[64];
  long long requests = 0;
  long long ns = 0;
  long kicks = 0;
  long upcalls = 0;
  long exits = 0;
  // The guest writes large numbers in hexadecimal.
  const bool found = disk.emulated ? std::sscanf(line, "idebench %63s %lli %lli %li", name,
                                                 &requests, &ns, &exits) == 4
                                   : std::sscanf(line, "blkbench %63s %lli %lli %li %li", name,
                                                 &requests, &ns, &kicks, &upcalls) == 5;
  if (!found || requests <= 0 || ns <= 0) {
    return std::nullopt;
  }
  const auto count = static_cast<double>(requests);
  Outcome outcome;
  outcome.requests_per_second = count * 1e9 / static_cast<double>(ns);
  // Little's law: the guest always has as many requests under way as it may.
  outcome.latency_us = Depth(disk, workload) * 1e6 / outcome.requests_per_second;
  outcome.kicks = static_cast<double>(kicks) / count;
  outcome.upcalls = static_cast<double>(upcalls) / count;
  outcome.exits = static_cast<double>(exits) / count;
  return outcome;
}

}  // namespace

Result<Outcome> RunGuest(const Disk& disk, const Workload& workload) {
  // The guest needs a second to get there on hosts that interpret its ring 0.
  const std::string command = fmt::format(
      "{} run --kernel {} --entry pvh --memory 64M --log-level warning --control-socket off "
      // The front-end is in ring 3 and kicks through the port page.
      "--kvm-xen off "
      "--timeout {:.0f} --disk {} --cmdline '{}' </dev/null",
      VENEER_PROGRAM, VENEER_MICRO64, disk.seconds + 30, DiskOption(disk, workload),
      Words(disk, workload));
  FILE* guest = popen(command.c_str(), "re");
  if (guest == nullptr) {
    return ErrnoError(errno, "cannot run a guest");
  }
  std::optional<Outcome> outcome;
  std::string failures;
  char line[256];
  while (std::fgets(line, sizeof line, guest) != nullptr) {
    const std::string_view text = line;
    if (text.starts_with("FAIL")) {
      failures += text;
    }
    if (const auto parsed = ParseLine(line, disk, workload)) {
      outcome = parsed;
    }
  }
  if (pclose(guest) != 0 || !outcome || !failures.empty()) {
    return HostError("the micro guest gave no figures: {}\n{}", command, failures);
  }
  return *outcome;
}

}  // namespace veneer::bench
