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

std::optional<TapOutcome> ParseLine(const char* line) {
  char name[64];
  long long frames = 0;
  long long ns = 0;
  long kicks = 0;
  long upcalls = 0;
  // The guest writes large numbers in hexadecimal.
  if (std::sscanf(line, "netbench %63s %lli %lli %li %li", name, &frames, &ns, &kicks, &upcalls) !=
          5 ||
      frames <= 0 || ns <= 0) {
    return std::nullopt;
  }
  const auto count = static_cast<double>(frames);
  return TapOutcome{.frames_per_second = count * 1e9 / static_cast<double>(ns),
                    .kicks = static_cast<double>(kicks) / count,
                    .upcalls = static_cast<double>(upcalls) / count};
}

}  // namespace

Result<TapOutcome> RunMicroGuest(const TapWorkload& workload, double seconds) {
  const std::string words = fmt::format("tests=none netbench {} bytes={} {} ms={:.0f}",
                                        workload.to_host ? "send" : "receive", workload.frame_bytes,
                                        workload.segmented ? "segmented" : "whole", seconds * 1000);
  // The guest needs a second to get there on hosts that interpret its ring 0.
  const std::string command = fmt::format(
      "{} run --kernel {} --entry pvh --memory 64M --log-level warning --control-socket off "
      "--timeout {:.0f} --net tap={},poll={} --cmdline '{}' </dev/null",
      VENEER_PROGRAM, VENEER_MICRO64, seconds + 30, kTap, workload.poll_us, words);
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
    if (text.starts_with("netbench ready") && !workload.to_host) {
      auto started = TapSource::Start(kTap, workload, false);
      if (!started) {
        failures += started.error().message;
        continue;
      }
      source = std::move(*started);
    }
    if (const auto parsed = ParseLine(line)) {
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
