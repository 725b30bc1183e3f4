// The PV timers of each vCPU: one single-shot and one periodic timer that raise VIRQ_TIMER
// (VCPUOP_set_singleshot_timer and friends in xen/vcpu.h, HYPERVISOR_set_timer_op).
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "veneer/xen_abi/xen_errno.h"
#include "veneer/xentime/deadlines.h"
#include "veneer/xentime/system_time.h"

namespace veneer {

// Thread-safe. Times are the guest's system time in ns.
class VcpuTimers {
 public:
  // Raises VIRQ_TIMER; runs on the thread of Deadlines::OnWakeup() or of the caller, without locks.
  using Fire = std::function<void(unsigned vcpu)>;

  static constexpr std::uint64_t kMinPeriodNs = 1'000'000;
  static constexpr std::uint64_t kMaxPeriodNs = std::uint64_t{1} << 56;

  // All must outlive this object.
  VcpuTimers(const SystemTime& time, Deadlines& deadlines, unsigned vcpus, Fire fire);

  // A deadline in the past fires at once, or is refused with ETIME if `must_be_future`.
  XenResult<void> SetSingleshot(unsigned vcpu, std::uint64_t deadline_ns, bool must_be_future);
  void StopSingleshot(unsigned vcpu);
  // HYPERVISOR_set_timer_op: 0 stops; a deadline that is negative or two weeks away is a guest
  // whose arithmetic has wrapped, and fires in 100 ms as Xen has it.
  void SetTimerOp(unsigned vcpu, std::int64_t deadline_ns);

  // EINVAL outside kMinPeriodNs to kMaxPeriodNs. Ticks that were missed are not made up for.
  XenResult<void> SetPeriodic(unsigned vcpu, std::uint64_t period_ns);
  void StopPeriodic(unsigned vcpu);

 private:
  struct PerVcpu {
    Deadlines::Id singleshot = 0;
    Deadlines::Id periodic = 0;
    std::uint64_t period_ns = 0;  // 0: off
  };
  void OnPeriod(unsigned vcpu);
  // With `mutex_` held: the next tick is one period from now.
  void ArmPeriodic(unsigned vcpu);

  const SystemTime& time_;
  Deadlines& deadlines_;
  const Fire fire_;
  // Guards the periods and keeps a stop from being overtaken by the tick under way.
  std::mutex mutex_;
  std::vector<PerVcpu> vcpus_;
};

}  // namespace veneer
