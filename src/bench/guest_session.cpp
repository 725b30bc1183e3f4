#include "guest_session.h"

#include "load/interface_address.h"

namespace veneer::bench {
namespace {

struct Nic {
  const char* tap;
  const char* mac;
  const char* host;
  const char* guest;
};
const Nic& NicOf(Way way) {
  static constexpr Nic kEmulatedNic{"vbench-emulated", "52:54:00:be:00:01", "10.177.1.1",
                                    "10.177.1.2"};
  static constexpr Nic kPvNic{"vbench-pv", "52:54:00:be:00:02", "10.177.2.1", "10.177.2.2"};
  return way == Way::kEmulated ? kEmulatedNic : kPvNic;
}

// In an option's value a comma is written twice.
std::string Escaped(std::string_view path) {
  std::string text;
  for (const char c : path) {
    text.append(c == ',' ? 2 : 1, c);
  }
  return text;
}

std::vector<std::string> Arguments(const BenchOptions& options, const GuestSession::Images& images,
                                   bool with_net) {
  std::vector<std::string> words{
      "run", "--kernel", options.kernel, "--initrd", options.initrd, "--memory", options.memory,
      "--cpus", std::to_string(options.cpus), "--console", "stdio", "--control-socket", "off",
      "--log-level", "warning",
      // So that the guest keeps the emulated devices beside the PV ones.
      "--unplug", "never", "--cmdline",
      "console=hvc0 loglevel=4 net.ifnames=0 veneer.run=veneer-load", "--disk",
      fmt::format("path={},bus=ide,direct=on", Escaped(images.emulated)), "--disk",
      fmt::format("path={},vdev=xvda,direct=on", Escaped(images.pv))};
  if (with_net) {
    for (const Way way : {Way::kEmulated, Way::kPv}) {
      words.insert(words.end(),
                   {"--net", fmt::format("tap={},mac={},model={}", NicOf(way).tap, NicOf(way).mac,
                                         way == Way::kPv ? "pv" : "e1000")});
    }
  }
  return words;
}

}  // namespace

Result<std::unique_ptr<GuestSession>> GuestSession::Start(const BenchOptions& options,
                                                          const Images& images, bool with_net,
                                                          Interrupt& interrupt) {
  std::unique_ptr<GuestSession> session(new GuestSession(interrupt));
  VENEER_TRY(session->Boot(options, images, with_net));
  return session;
}

Result<void> GuestSession::Boot(const BenchOptions& options, const Images& images, bool with_net) {
  VENEER_TRY_ASSIGN(console_, LoadConsole::Start("/proc/self/exe",
                                                 Arguments(options, images, with_net), interrupt_));
  if (with_net) {
    VENEER_TRY(GiveAddress(Way::kEmulated));
    VENEER_TRY(GiveAddress(Way::kPv));
  }
  return {};
}

Result<void> GuestSession::GiveAddress(Way way) {
  const Nic& nic = NicOf(way);
  if (const std::string error = SetInterfaceAddress(nic.tap, nic.host); !error.empty()) {
    return HostError("{}", error);
  }
  VENEER_TRY(console_->Ask(fmt::format("address {} {}", nic.mac, nic.guest)));
  return {};
}

Result<LoadResult> GuestSession::Run(const Step& step, Way way, std::uint64_t ns,
                                     std::uint16_t server_port) {
  const auto seconds = static_cast<unsigned>(ns / 1'000'000'000);
  if (const auto* const disk = std::get_if<DiskShape>(&step.shape)) {
    return console_->Ask(
        fmt::format("disk {} {} {} {} {} {}", way == Way::kPv ? "/dev/xvda" : "/dev/sda",
                    disk->write ? "write" : "read", disk->random ? "random" : "sequential",
                    disk->block_bytes, disk->depth, ns),
        seconds);
  }
  return console_->Ask(fmt::format("net {} {} {} {}", NicOf(way).host, server_port,
                                   static_cast<char>(std::get<NetKind>(step.shape)), ns),
                       seconds);
}

}  // namespace veneer::bench
