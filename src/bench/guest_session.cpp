#include "guest_session.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include "load/interface_address.h"
#include "veneer/vmm/base/clock.h"

namespace veneer::bench {
namespace {

constexpr std::string_view kMark = "veneer-load: ";
constexpr unsigned kBootLimit = 1800;   // seconds; a distribution's kernel where it is interpreted
constexpr unsigned kAnswerLimit = 180;  // seconds beyond the load itself
constexpr std::size_t kKept = 2000;     // bytes of the console, for an error's message

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
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return ErrnoError(errno, "cannot make a socket");
  }
  console_ = UniqueFd(ends[0]);
  const UniqueFd theirs(ends[1]);
  VENEER_TRY_ASSIGN(veneer_, ChildProcess::Start({.program = "/proc/self/exe",
                                                  .arguments = Arguments(options, images, with_net),
                                                  .cleans_up = true,
                                                  .dialogue = theirs.get()}));
  VENEER_TRY_ASSIGN(const std::string ready, NextAnswer(kBootLimit));
  if (ready != "ready") {
    return HostError("the guest's veneer-load says '{}'", ready);
  }
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
  VENEER_TRY(Ask(fmt::format("address {} {}", nic.mac, nic.guest), kAnswerLimit));
  return {};
}

Result<LoadResult> GuestSession::Run(const Step& step, Way way, std::uint64_t ns,
                                     std::uint16_t server_port) {
  const auto limit = static_cast<unsigned>(ns / 1'000'000'000) + kAnswerLimit;
  if (const auto* const disk = std::get_if<DiskShape>(&step.shape)) {
    return Ask(fmt::format("disk {} {} {} {} {} {}", way == Way::kPv ? "/dev/xvda" : "/dev/sda",
                           disk->write ? "write" : "read", disk->random ? "random" : "sequential",
                           disk->block_bytes, disk->depth, ns),
               limit);
  }
  return Ask(fmt::format("net {} {} {} {}", NicOf(way).host, server_port,
                         static_cast<char>(std::get<NetKind>(step.shape)), ns),
             limit);
}

Result<LoadResult> GuestSession::Ask(const std::string& line, unsigned limit_seconds) {
  const std::string text = line + "\n";
  if (send(console_.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) {
    return tl::unexpected(Silence("the guest has gone"));
  }
  VENEER_TRY_ASSIGN(const std::string answer, NextAnswer(limit_seconds));
  LoadResult result;
  if (std::sscanf(answer.c_str(), "done %" SCNu64 " %" SCNu64 " %" SCNu64, &result.operations,
                  &result.bytes, &result.ns) != 3) {
    return HostError("in the guest, '{}': {}", line, answer);
  }
  return result;
}

Result<std::string> GuestSession::NextAnswer(unsigned limit_seconds) {
  const std::uint64_t end =
      HostClock().MonotonicNs() + std::uint64_t{limit_seconds} * 1'000'000'000;
  for (;;) {
    for (std::size_t stop = 0; (stop = received_.find('\n')) != std::string::npos;) {
      std::string line = received_.substr(0, stop);
      received_.erase(0, stop + 1);
      line.erase(line.find_last_not_of('\r') + 1);
      if (line.starts_with(kMark)) {
        return line.substr(kMark.size());
      }
      last_ += line + "\n";
    }
    last_.erase(0, last_.size() > kKept ? last_.size() - kKept : 0);
    const std::uint64_t now = HostClock().MonotonicNs();
    if (now >= end || received_.size() > kKept) {
      return tl::unexpected(Silence("the guest gives no answer"));
    }
    VENEER_TRY_ASSIGN(
        const bool ready,
        interrupt_.Wait(console_.get(), static_cast<int>((end - now) / 1'000'000) + 1));
    if (!ready) {
      continue;
    }
    std::array<char, 4096> part{};
    const ssize_t got = read(console_.get(), part.data(), part.size());
    if (got <= 0) {
      return tl::unexpected(Silence("the guest ended too early"));
    }
    received_.append(part.data(), static_cast<std::size_t>(got));
  }
}

Error GuestSession::Silence(std::string_view what) const {
  veneer_->Terminate();
  return Error{ErrorKind::kHost, fmt::format("{}\n{}{}", what, last_, veneer_->Wait().complaint)};
}

}  // namespace veneer::bench
