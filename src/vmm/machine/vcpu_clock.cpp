#include "vcpu_clock.h"

#include <cstdint>

#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

constexpr std::uint32_t kMsrKvmSystemTime = 0x4b564d01;
constexpr std::uint64_t kEnable = 1;

// Tried again every now and then, at an address that the guest has chosen.
LogLimiter& Limiter() {
  static LogLimiter limiter;
  return limiter;
}

}  // namespace

void KeepVcpuClock(Vcpu& vcpu, Gpa time) {
  const std::uint64_t wanted = time.value | kEnable;
  if (vcpu.GetMsr(kMsrKvmSystemTime) == wanted) {
    return;
  }
  if (!vcpu.SetMsr(kMsrKvmSystemTime, wanted)) {
    LogGuest(Limiter(), "KVM does not keep vCPU {}'s clock at {:#x}", vcpu.id(), time.value);
  }
}

void LeaveVcpuClock(Vcpu& vcpu) {
  if (!vcpu.SetMsr(kMsrKvmSystemTime, 0)) {
    LogGuest(Limiter(), "KVM does not let go of vCPU {}'s clock", vcpu.id());
  }
}

}  // namespace veneer
