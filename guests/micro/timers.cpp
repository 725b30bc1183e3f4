// Xen's per-vCPU timers: VIRQ_TIMER, singleshot, periodic, set_timer_op.
#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"

namespace micro {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;

intptr_t SetSingleshot(uint64_t deadline, uint32_t flags = 0, uint32_t vcpu = 0) {
  vcpu_set_singleshot_timer_t op{};
  op.timeout_abs_ns = deadline;
  op.flags = flags;
  return VcpuOp(VCPUOP_set_singleshot_timer, vcpu, &op);
}

intptr_t SetPeriodic(uint64_t period) {
  vcpu_set_periodic_timer_t op{period};
  return VcpuOp(VCPUOP_set_periodic_timer, 0, &op);
}

intptr_t SetTimerOp(uint64_t deadline) {
  if constexpr (k64) {
    return Hypercall(__HYPERVISOR_set_timer_op, static_cast<uintptr_t>(deadline));
  } else {
    return Hypercall(__HYPERVISOR_set_timer_op, static_cast<uintptr_t>(deadline),
                     static_cast<uintptr_t>(deadline >> 32));
  }
}

// Interrupts stay on, so that events are seen meanwhile.
void PassTimeUntil(uint64_t end) {
  EnableInterrupts();
  while (SystemTimeNs() < end) {
  }
  DisableInterrupts();
}

// Fires once, and not before its time.
bool CheckSingleshot(uint32_t port) {
  const uint32_t before = events_seen[port];
  const uint64_t deadline = SystemTimeNs() + 5 * kMillisecond;
  Check("timers/singleshot", SetSingleshot(deadline), 0);
  const bool fired = CheckTrue("timers/singleshot-fires", WaitForEvent(port, before + 1));
  CheckTrue("timers/not-early", SystemTimeNs() >= deadline);
  Check("timers/past", SetSingleshot(1), 0);
  CheckTrue("timers/past-fires", WaitForEvent(port, before + 2));
  // KVM does not look at the flag: the timer fires at once.
  const bool kvm = HasWord("kvmxen");
  Check("timers/past-but-must-be-future", SetSingleshot(1, VCPU_SSHOTTMR_future),
        kvm ? 0 : -XEN_ETIME);
  CheckTrue("timers/past-fires-or-not", WaitForEvent(port, before + (kvm ? 3 : 2)));
  // A busy host may hold the guest up until the timer fires: then once more.
  uint64_t never = 0;
  uint32_t seen = 0;
  intptr_t set = 0;
  intptr_t stop = 0;
  for (int tries = 0; tries == 0 || (SystemTimeNs() >= never && tries < 20); ++tries) {
    seen = events_seen[port];
    never = SystemTimeNs() + 100 * kMillisecond;
    set = SetSingleshot(never, VCPU_SSHOTTMR_future);
    stop = VcpuOp(VCPUOP_stop_singleshot_timer, 0, 0);
  }
  Check("timers/future", set, 0);
  Check("timers/stop", stop, 0);
  PassTimeUntil(never + 10 * kMillisecond);
  Check("timers/stopped", events_seen[port], seen);
  // KVM asks only whether the number is the caller's own.
  Check("timers/no-vcpu", SetSingleshot(1, 0, 99), kvm ? -XEN_EINVAL : -XEN_ENOENT);
  return fired;
}

void CheckPeriodic(uint32_t port) {
  Check("timers/period-too-short", SetPeriodic(1000), -XEN_EINVAL);
  const uint32_t before = events_seen[port];
  Check("timers/periodic", SetPeriodic(4 * kMillisecond), 0);
  CheckTrue("timers/periodic-fires", WaitForEvent(port, before + 3));
  Check("timers/stop-periodic", VcpuOp(VCPUOP_stop_periodic_timer, 0, 0), 0);
  // One that was under way may still come.
  PassTimeUntil(SystemTimeNs() + 5 * kMillisecond);
  const uint32_t stopped = events_seen[port];
  PassTimeUntil(SystemTimeNs() + 40 * kMillisecond);
  CheckTrue("timers/periodic-stopped", events_seen[port] <= stopped + 1);
}

// Asleep until the timer wakes the vCPU.
void CheckHalt(uint32_t port) {
  const uint32_t before = events_seen[port];
  Check("timers/set-for-halt", SetSingleshot(SystemTimeNs() + 10 * kMillisecond), 0);
  for (int wakes = 0; events_seen[port] == before && wakes < 10; ++wakes) {
    SleepForInterrupt();
  }
  Check("timers/wakes-from-halt", events_seen[port], before + 1);
}

}  // namespace

void TestTimers() {
  evtchn_bind_virq_t bind{};
  bind.virq = VIRQ_TIMER;
  if (!Check("timers/bind", EventOp(EVTCHNOP_bind_virq, &bind), 0)) {
    return;
  }
  const uint32_t port = bind.port;
  const bool fired = CheckSingleshot(port);
  CheckPeriodic(port);
  const uint32_t before = events_seen[port];
  Check("timers/set_timer_op", SetTimerOp(SystemTimeNs() + 3 * kMillisecond), 0);
  CheckTrue("timers/set_timer_op-fires", WaitForEvent(port, before + 1));
  Check("timers/set_timer_op-stop", SetTimerOp(0), 0);
  if (fired) {
    CheckHalt(port);
  }
  Check("timers/close", Close(port), 0);
}

}  // namespace micro
