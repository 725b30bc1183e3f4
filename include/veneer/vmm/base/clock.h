// Time as an interface, so that tests can own it.
#pragma once

#include <cstdint>

namespace veneer {

// Thread-safe. All values are nanoseconds.
class Clock {
 public:
  virtual ~Clock() = default;
  // CLOCK_MONOTONIC: never goes backwards, stands still while the host is suspended.
  virtual std::uint64_t MonotonicNs() const = 0;
  // CLOCK_REALTIME since 1970-01-01 00:00 UTC.
  virtual std::uint64_t RealtimeNs() const = 0;
};

// The host's clocks; lives as long as the process.
const Clock& HostClock();

}  // namespace veneer
