#include "veneer/xencompat/domain/system_time.h"

#include <limits>

#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

// value * numerator / denominator without losing the upper bits, saturating. Both factors are
// small.
std::uint64_t Scale(std::uint64_t value, std::uint32_t numerator, std::uint32_t denominator) {
  const std::uint64_t whole = value / denominator;
  const std::uint64_t rest = value % denominator;
  if (whole > kForever / numerator) {
    return kForever;
  }
  const std::uint64_t high = whole * numerator;
  const std::uint64_t low = rest * numerator / denominator;
  return high > kForever - low ? kForever : high + low;
}

}  // namespace

LinearSystemTime::LinearSystemTime(const Clock& clock, std::uint64_t origin_ns, std::uint32_t pace)
    : clock_(clock), origin_ns_(origin_ns), pace_(pace) {
  VENEER_CHECK(pace >= 1 && pace <= kRealTime);
}

std::uint64_t LinearSystemTime::GuestNs() const {
  const std::uint64_t now = clock_.MonotonicNs();
  const std::uint64_t origin = origin_ns_;
  return now <= origin ? 0 : Scale(now - origin, pace_, kRealTime);
}

std::uint64_t LinearSystemTime::HostNs(std::uint64_t guest_ns) const {
  const std::uint64_t elapsed = Scale(guest_ns, kRealTime, pace_);
  const std::uint64_t origin = origin_ns_;
  return elapsed > kForever - origin ? kForever : origin + elapsed;
}

}  // namespace veneer
