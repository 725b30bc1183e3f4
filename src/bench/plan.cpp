#include "plan.h"

namespace veneer::bench {
namespace {

Step Disk(const char* panel, const char* title, const char* unit, DiskShape shape) {
  return {"disk", panel, title, unit, shape};
}
Step Net(const char* panel, const char* title, const char* unit, NetKind kind) {
  return {"net", panel, title, unit, kind};
}

}  // namespace

const char* WayName(Way way) {
  switch (way) {
    case Way::kEmulated:
      return "emulated";
    case Way::kPv:
      return "pv";
    case Way::kLimit:
      break;
  }
  return "limit";
}

double Step::Figure(const LoadResult& result) const {
  const double seconds = static_cast<double>(result.ns) / 1e9;
  if (unit == "MB/s") {
    return static_cast<double>(result.bytes) / 1e6 / seconds;
  }
  if (unit == "Gb/s") {
    return static_cast<double>(result.bytes) * 8 / 1e9 / seconds;
  }
  return static_cast<double>(result.operations) / seconds;
}

std::vector<Step> LinuxSteps() {
  constexpr const char* kNet = "Linux guest: network throughput";
  constexpr const char* kTurns = "Linux guest: request and response";
  constexpr const char* kStream = "Linux guest: disk, sequential";
  constexpr const char* kRandom = "Linux guest: disk, 4 KiB at random";
  constexpr std::uint32_t kLarge = 256U << 10U;
  return {
      Net(kNet, "rx, TCP", "Gb/s", NetKind::kReceive),
      Net(kNet, "tx, TCP", "Gb/s", NetKind::kSend),
      Net(kTurns, "1 byte and back, TCP", "turns/s", NetKind::kEcho),
      Disk(kStream, "read, 256 KiB, 4 under way", "MB/s", {false, false, kLarge, 4}),
      Disk(kStream, "write, 256 KiB, 4 under way", "MB/s", {true, false, kLarge, 4}),
      Disk(kRandom, "read, 1 under way", "requests/s", {false, true, 4096, 1}),
      Disk(kRandom, "read, 32 under way", "requests/s", {false, true, 4096, 32}),
      Disk(kRandom, "write, 1 under way", "requests/s", {true, true, 4096, 1}),
      Disk(kRandom, "write, 32 under way", "requests/s", {true, true, 4096, 32}),
  };
}

}  // namespace veneer::bench
