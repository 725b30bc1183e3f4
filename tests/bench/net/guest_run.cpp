// A micro guest with a NIC on a tap, see guests/micro/README.md.
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "tap_peer.h"
#include "tap_runs.h"

namespace veneer::bench {
namespace {

// What Veneer calls the first tap that it makes.
constexpr const char* kTap = "veneer0";
constexpr const char* kEmulated = "e1000bench";

// "netbench NAME FRAMES NS KICKS UPCALLS" or "e1000bench NAME FRAMES NS EXITS BYTES".
std::optional<TapOutcome> ParseLine(const char* line, const std::string& bench) {
  char word[16];
  long long frames = 0;
  long long ns = 0;
  long long first = 0;
  long long second = 0;
  // The guest writes large numbers in hexadecimal.
  if (std::sscanf(line, "%15s %*s %lli %lli %lli %lli", word, &frames, &ns, &first, &second) != 5 ||
      word != bench || frames <= 0 || ns <= 0) {
    return std::nullopt;
  }
  const auto count = static_cast<double>(frames);
  TapOutcome outcome{.frames_per_second = count * 1e9 / static_cast<double>(ns)};
  if (bench == kEmulated) {
    outcome.exits = static_cast<double>(first) / count;
    outcome.frame_bytes = static_cast<double>(second) / count;
  } else {
    outcome.kicks = static_cast<double>(first) / count;
    outcome.upcalls = static_cast<double>(second) / count;
  }
  return outcome;
}

}  // namespace

Result<TapOutcome> RunMicroGuest(const TapWorkload& workload, double seconds) {
  const std::string bench = workload.emulated ? kEmulated : "netbench";
  const std::string nic =
      workload.emulated ? "model=e1000" : fmt::format("poll={}", workload.poll_us);
  const std::string words = fmt::format("tests=none {} {} bytes={} {} ms={:.0f} poll={}", bench,
                                        workload.to_host ? "send" : "receive", workload.frame_bytes,
                                        workload.segmented ? "segmented" : "whole", seconds * 1000,
                                        workload.guest_poll_us);
  // The guest needs a second to get there on hosts that interpret its ring 0.
  const std::string command = fmt::format(
      "{} run --kernel {} --entry pvh --memory 64M --log-level warning --control-socket off "
      // The front-end is in ring 3 and kicks through the port page.
      "--kvm-xen off "
      "--timeout {:.0f} --net tap={},{} --cmdline '{}' </dev/null",
      VENEER_PROGRAM, VENEER_MICRO64, seconds + 30, kTap, nic, words);
  FILE* guest = popen(command.c_str(), "re");
  if (guest == nullptr) {
    return ErrnoError(errno, "cannot run a guest");
  }
  std::optional<TapOutcome> outcome;
  std::unique_ptr<TapSource> source;
  std::string failures;
  char line[256];
  while (std::fgets(line, sizeof line, guest) != nullptr) {
    const std::string_view text = line;
    if (text.starts_with("FAIL")) {
      failures += text;
    }
    if (text.starts_with(bench + " ready") && !workload.to_host) {
      auto started = TapSource::Start(kTap, workload);
      if (!started) {
        failures += started.error().message;
        continue;
      }
      source = std::move(*started);
    }
    if (const auto parsed = ParseLine(line, bench)) {
      outcome = parsed;
      source.reset();
    }
  }
  source.reset();
  if (pclose(guest) != 0 || !outcome || !failures.empty()) {
    return HostError("the micro guest gave no figures: {}\n{}", command, failures);
  }
  return *outcome;
}

}  // namespace veneer::bench
