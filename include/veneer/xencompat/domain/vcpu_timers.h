// The PV timers of each vCPU: one single-shot and one periodic timer that raise VIRQ_TIMER
// (VCPUOP_set_singleshot_timer and friends in xen/vcpu.h, HYPERVISOR_set_timer_op).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "veneer/vmm/base/mutex.h"
#include "veneer/xencompat/abi/xen_errno.h"
#include "veneer/xencompat/domain/deadlines.h"
#include "veneer/xencompat/domain/system_time.h"

namespace veneer {

// Thread-safe. Times are the guest's system time in ns.
class VcpuTimers {
 public:
  // Raises VIRQ_TIMER; runs on the thread of Deadlines::OnWakeup() or of the caller, without locks.
  using Fire = std::function<void(unsigned vcpu)>;

  static constexpr std::uint64_t kMinPeriodNs = 1'000'000;
  static constexpr std::uint64_t kMaxPeriodNs = std::uint64_t{1} << 56;

  // How much of its time a vCPU may spend on its single-shot timer's events, in percent. A guest
  // whose kernel is interpreted needs several milliseconds for a tick, and would do nothing else if
  // it got 250 of them each second. The time from an event to the guest's next setting of the timer
  // counts as spent; deadlines are put off by up to kLongestDelayNs to make up for it.
  static constexpr unsigned kNoLimit = 100;
  static constexpr std::uint64_t kLongestDelayNs = 50'000'000;

  // All must outlive this object. `load_limit`: 1 to kNoLimit.
  VcpuTimers(const SystemTime& time, Deadlines& deadlines, unsigned vcpus, Fire fire,
             unsigned load_limit = kNoLimit);

  // A deadline in the past fires at once, or is refused with ETIME if `must_be_future`.
  XenResult<void> SetSingleshot(unsigned vcpu, std::uint64_t deadline_ns, bool must_be_future);
  void StopSingleshot(unsigned vcpu);
  // HYPERVISOR_set_timer_op: 0 stops; a deadline that is negative or two weeks away is a guest
  // whose arithmetic has wrapped, and fires in 100 ms as Xen has it.
  void SetTimerOp(unsigned vcpu, std::int64_t deadline_ns);

  // EINVAL outside kMinPeriodNs to kMaxPeriodNs. Ticks that were missed are not made up for.
  XenResult<void> SetPeriodic(unsigned vcpu, std::uint64_t period_ns);
  void StopPeriodic(unsigned vcpu);

  // A new guest begins: no timer is set.
  void StartOver();

 private:
  struct Ids {
    Deadlines::Id singleshot = 0;
    Deadlines::Id periodic = 0;
  };
  struct PerVcpu {
    std::uint64_t period_ns = 0;            // 0: off
    std::optional<std::uint64_t> fired_ns;  // an event that the guest has not dealt with yet
    std::uint64_t earliest_ns = 0;          // the next event may not come before
  };
  void Expire(unsigned vcpu);
  // The guest has come to the end of an event: works out when the next one may come.
  void EndEvent(unsigned vcpu);
  // Sets the single-shot timer to the guest's time `deadline_ns`, or later.
  void Set(unsigned vcpu, std::uint64_t deadline_ns);
  void OnPeriod(unsigned vcpu);
  // The next tick is one period from now.
  void ArmPeriodic(unsigned vcpu) REQUIRES(mutex_);

  const SystemTime& time_;
  Deadlines& deadlines_;
  const Fire fire_;
  const unsigned load_limit_;
  std::vector<Ids> ids_;  // by vCPU
  // Keeps a stop from being overtaken by the tick under way, too.
  Mutex mutex_;
  std::vector<PerVcpu> vcpus_ GUARDED_BY(mutex_);
};

}  // namespace veneer
