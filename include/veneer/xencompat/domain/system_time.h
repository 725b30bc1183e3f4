// The guest's system time: nanoseconds since its boot, as its PV clock counts them.
#pragma once

#include <atomic>
#include <cstdint>

#include "veneer/vmm/base/clock.h"

namespace veneer {

// Thread-safe.
class SystemTime {
 public:
  virtual ~SystemTime() = default;
  // What the guest's PV clock shows now, ns.
  virtual std::uint64_t GuestNs() const = 0;
  // The host's CLOCK_MONOTONIC, in ns, at which the guest's clock will show (or has shown)
  // `guest_ns`. Saturates at both ends.
  virtual std::uint64_t HostNs(std::uint64_t guest_ns) const = 0;
};

// The guest's clock runs from `origin` at the host's pace, or slower by a fixed factor.
class LinearSystemTime final : public SystemTime {
 public:
  // How many guest nanoseconds make 1024 host nanoseconds; 1024 is real time.
  static constexpr std::uint32_t kRealTime = 1024;

  // `clock` must outlive this object. `origin_ns`: CLOCK_MONOTONIC when the guest's clock shows 0.
  // `pace` is 1 to 1024.
  LinearSystemTime(const Clock& clock, std::uint64_t origin_ns, std::uint32_t pace = kRealTime);

  std::uint64_t GuestNs() const override;
  std::uint64_t HostNs(std::uint64_t guest_ns) const override;

  // The guest's clock was found to show 0 at another time (KVM keeps the clock itself; this follows
  // it).
  void SetOrigin(std::uint64_t origin_ns) { origin_ns_ = origin_ns; }

 private:
  const Clock& clock_;
  std::atomic<std::uint64_t> origin_ns_;
  const std::uint32_t pace_;
};

}  // namespace veneer
