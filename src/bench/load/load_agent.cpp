// veneer-load, the program that `veneer bench` speaks with in the guest: a line in, a line out.
//
//   disk PATH read|write random|sequential BLOCK-BYTES DEPTH NS
//   net ADDRESS PORT s|r|e|d|D NS
//   memory NS
//   pipe NS
//   timer NS
//   address MAC ADDRESS
//   interrupts             (OPERATIONS: how many PV devices have raised)
//   init                   (NS: the kernel's uptime when it started /init)
//
// Each is answered by "veneer-load: done OPERATIONS BYTES NS" or "veneer-load: failed WHY"; the
// end of the input ends the program.
#include <termios.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string>

#include "interface_address.h"
#include "load.h"

namespace veneer::bench {
namespace {

LoadResult Address(const std::string& mac, const std::string& address) {
  const std::string interface = InterfaceWithMac(mac);
  if (interface.empty()) {
    return {.error = "no network interface has the address " + mac};
  }
  return {.error = SetInterfaceAddress(interface, address)};
}

struct CpuLoad {
  const char* name;
  LoadResult (*run)(std::uint64_t ns);
};
constexpr CpuLoad kCpuLoads[] = {
    {"memory", RunMemoryLoad}, {"pipe", RunPipeLoad}, {"timer", RunTimerLoad}};

LoadResult Perform(const char* line) {
  char first[64];
  char second[64];
  char third[64];
  DiskLoad disk;
  if (std::sscanf(line, "disk %63s %63s %63s %zu %u %" SCNu64, first, second, third,
                  &disk.block_bytes, &disk.depth, &disk.ns) == 6) {
    disk.path = first;
    disk.write = std::strcmp(second, "write") == 0;
    disk.random = std::strcmp(third, "random") == 0;
    return RunDiskLoad(disk);
  }
  NetLoad net;
  char kind = 0;
  if (std::sscanf(line, "net %63s %" SCNu16 " %c %" SCNu64, first, &net.port, &kind, &net.ns) ==
          4 &&
      std::strchr("sredD", kind) != nullptr) {
    net.address = first;
    net.kind = static_cast<NetKind>(kind);
    return RunNetLoad(net);
  }
  if (std::uint64_t ns = 0; std::sscanf(line, "%63s %" SCNu64, first, &ns) == 2) {
    for (const CpuLoad& load : kCpuLoads) {
      if (std::strcmp(first, load.name) == 0) {
        return load.run(ns);
      }
    }
  }
  if (std::sscanf(line, "address %63s %63s", first, second) == 2) {
    return Address(first, second);
  }
  if (std::strncmp(line, "interrupts", 10) == 0) {
    return {.operations = DeviceInterrupts(), .error = ""};
  }
  if (std::strncmp(line, "init", 4) == 0) {
    return {.ns = UptimeAtInitNs(), .error = ""};
  }
  return {.error = "what is '" + std::string(line, std::strcspn(line, "\r\n")) + "'?"};
}

int Main() {
  // Echoing is work for the guest's kernel, which some hosts interpret.
  termios terminal{};
  if (tcgetattr(STDIN_FILENO, &terminal) == 0) {
    terminal.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
  }
  static_cast<void>(std::setvbuf(stdout, nullptr, _IOLBF, 0));
  std::puts("veneer-load: ready");
  char line[512];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    const LoadResult result = Perform(line);
    if (result.error.empty()) {
      std::printf("veneer-load: done %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", result.operations,
                  result.bytes, result.ns);
    } else {
      std::printf("veneer-load: failed %s\n", result.error.c_str());
    }
  }
  return 0;
}

}  // namespace
}  // namespace veneer::bench

int main() { return veneer::bench::Main(); }
