// One guest under Veneer and under QEMU, in turns: boot, disk, network, scheduling, timers and
// memory, with the exits that each operation costs.
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "bench/support/program.h"
#include "peer_run.h"
#include "src/bench/disk_image.h"
#include "src/bench/own_network.h"

namespace veneer::bench {
namespace {

constexpr std::uint64_t kDiskBytes = std::uint64_t{64} << 20U;

struct Options {
  PeerOptions peers;
  std::vector<std::string> vmms;
};

Result<void> Run(Options& options, nlohmann::json& json) {
  GuestPlan& guest = options.peers.guest;
  guest.tap = "vbench-peer";
  guest.mac = "52:54:00:be:00:03";
  VENEER_TRY(EnterOwnNetwork());
  VENEER_TRY_ASSIGN(Interrupt interrupt, Interrupt::Catch());
  VENEER_TRY_ASSIGN(
      const DiskImage disk,
      DiskImage::Make(fmt::format("bench-peer-{}.img", getpid()), kDiskBytes, interrupt));
  guest.disk = disk.path();
  std::vector<std::string> missing;
  std::vector<Vmm> vmms = PlanVmms(guest, missing);
  for (const std::string& sentence : missing) {
    fmt::print(stderr, "bench_peer: left out: {}\n", sentence);
  }
  if (!options.vmms.empty()) {
    std::erase_if(vmms, [&](const Vmm& vmm) {
      return std::find(options.vmms.begin(), options.vmms.end(), vmm.name) == options.vmms.end();
    });
  }
  if (vmms.empty()) {
    return UsageError("none of the VMMs named by --vmm can run here");
  }
  VENEER_TRY_ASSIGN(const std::vector<PeerRow> rows, RunPeers(options.peers, vmms, interrupt));
  Print(rows, vmms);
  json = ToJson(rows);
  return {};
}

int Main(int argc, char** argv) {
  Options options;
  PeerOptions& peers = options.peers;
  CLI::App app(
      "One guest under Veneer and under QEMU in its Xen mode and with virtio, in turns: boot, "
      "disk, "
      "network, scheduling, timers and memory, with the exits that each operation costs",
      "bench_peer");
  app.add_option("--kernel", peers.guest.kernel, "Linux kernel of the guest")->required();
  app.add_option("--initrd", peers.guest.initrd,
                 "initramfs with veneer-load and modules for PV and virtio devices")
      ->required();
  app.add_option("--cpus", peers.guest.cpus, "vCPUs of the guest")->capture_default_str();
  app.add_option("--memory", peers.guest.memory_mib, "its memory, MiB")->capture_default_str();
  app.add_option("--rounds", peers.rounds, "boots of each")->capture_default_str();
  app.add_option("--seconds", peers.seconds, "how long a load lasts")->capture_default_str();
  app.add_option("--only", peers.only, "only loads with this in their names (repeatable)");
  app.add_option("--vmm", options.vmms, "only this VMM, as the report names it (repeatable)");
  return RunProgram(app, argc, argv,
                    [&options](nlohmann::json& json) { return Run(options, json); });
}

}  // namespace
}  // namespace veneer::bench

int main(int argc, char** argv) { return veneer::bench::Main(argc, argv); }
