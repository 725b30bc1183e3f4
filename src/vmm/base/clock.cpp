#include "veneer/vmm/base/clock.h"

#include <ctime>

namespace veneer {
namespace {

std::uint64_t Now(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

class SystemClock final : public Clock {
 public:
  std::uint64_t MonotonicNs() const override { return Now(CLOCK_MONOTONIC); }
  std::uint64_t RealtimeNs() const override { return Now(CLOCK_REALTIME); }
};

}  // namespace

const Clock& HostClock() {
  // Never destroyed: a detached thread may ask while the process ends.
  static const SystemClock& clock = *new SystemClock;
  return clock;
}

}  // namespace veneer
