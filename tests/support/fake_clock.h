// A clock that stands still until a test moves it.
#pragma once

#include <atomic>
#include <cstdint>

#include "veneer/vmm/base/clock.h"

namespace veneer {

// Thread-safe.
class FakeClock final : public Clock {
 public:
  // Starts at `realtime_ns` since 1970 and an arbitrary monotonic time that is not zero.
  explicit FakeClock(std::uint64_t realtime_ns = 0) : realtime_ns_(realtime_ns) {}

  std::uint64_t MonotonicNs() const override { return monotonic_ns_; }
  std::uint64_t RealtimeNs() const override { return realtime_ns_; }

  // Both clocks run on.
  void Advance(std::uint64_t ns) {
    monotonic_ns_ += ns;
    realtime_ns_ += ns;
  }
  // As when the host's administrator sets the time.
  void SetRealtime(std::uint64_t ns) { realtime_ns_ = ns; }

 private:
  std::atomic<std::uint64_t> monotonic_ns_{5'000'000'000};
  std::atomic<std::uint64_t> realtime_ns_;
};

}  // namespace veneer
