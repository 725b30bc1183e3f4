// HYPERVISOR_sched_op.
#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"

namespace micro {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;

intptr_t Poll(evtchn_port_t* ports, uint32_t count, uint64_t timeout) {
  sched_poll_t op{};
  set_xen_guest_handle(op.ports, ports);
  op.nr_ports = count;
  op.timeout = timeout;
  return SchedOp(SCHEDOP_poll, &op);
}

void CheckPoll() {
  evtchn_port_t port = BindIpi();
  Mask(port);
  const uint64_t deadline = SystemTimeNs() + 3 * kMillisecond;
  // It may return early, but it must not fail, and time must pass.
  intptr_t result = 0;
  uint32_t rounds = 0;
  while (result == 0 && SystemTimeNs() < deadline && rounds < 1000) {
    result = Poll(&port, 1, deadline);
    ++rounds;
  }
  Check("sched/poll-until-timeout", result, 0);
  CheckTrue("sched/poll-sleeps", rounds < 1000);
  Check("sched/poll-past", Poll(&port, 1, 1), 0);
  Check("sched/poll-nothing", Poll(&port, 0, deadline), 0);
  Send(port);
  const uint64_t start = SystemTimeNs();
  Check("sched/poll-pending", Poll(&port, 1, start + 900 * kMillisecond), 0);
  CheckTrue("sched/poll-pending-at-once", SystemTimeNs() - start < 300 * kMillisecond);
  CheckTrue("sched/poll-leaves-it-pending", IsPending(port));
  Close(port);
  Unmask(port);
  evtchn_port_t beyond = 0xffffffff;
  Check("sched/poll-bad-port", Poll(&beyond, 1, 1), -XEN_EINVAL);
  Check("sched/poll-too-many", Poll(&port, 129, 1), -XEN_EINVAL);
  Check("sched/poll-bad-list", Poll(reinterpret_cast<evtchn_port_t*>(bad_address), 1, 1),
        -XEN_EFAULT);
}

}  // namespace

void TestSched() {
  Check("sched/yield", SchedOp(SCHEDOP_yield, 0), 0);
  CheckPoll();
  // Something that ends the blocking: an event that is pending already.
  const uint32_t port = BindIpi();
  const uint32_t before = events_seen[port];
  Send(port);
  Check("sched/block", SchedOp(SCHEDOP_block, 0), 0);
  CheckTrue("sched/block-and-event", WaitForEvent(port, before + 1));
  Close(port);
  sched_remote_shutdown_t remote{};
  remote.domain_id = 0;
  Check("sched/remote_shutdown", SchedOp(SCHEDOP_remote_shutdown, &remote), -XEN_EPERM);
  remote.domain_id = 99;
  Check("sched/remote_shutdown-nobody", SchedOp(SCHEDOP_remote_shutdown, &remote), -XEN_ESRCH);
  sched_watchdog_t watchdog{};
  watchdog.timeout = 100;
  const intptr_t id = SchedOp(SCHEDOP_watchdog, &watchdog);
  CheckTrue("sched/watchdog", id > 0);
  watchdog.id = static_cast<uint32_t>(id);
  watchdog.timeout = 0;
  Check("sched/watchdog-back", SchedOp(SCHEDOP_watchdog, &watchdog), 0);
  watchdog.id = 99;
  Check("sched/watchdog-no-id", SchedOp(SCHEDOP_watchdog, &watchdog), -XEN_EINVAL);
  Check("sched/pin_override", SchedOp(SCHEDOP_pin_override, &watchdog), -XEN_EPERM);
  Check("sched/unknown", SchedOp(99, &watchdog), -XEN_ENOSYS);
  const uint32_t with_argument[] = {SCHEDOP_poll, SCHEDOP_shutdown, SCHEDOP_remote_shutdown,
                                    SCHEDOP_shutdown_code, SCHEDOP_watchdog};
  for (const uint32_t op : with_argument) {
    Check("sched/bad-pointer", SchedOp(op, bad_address), -XEN_EFAULT);
  }
}

}  // namespace micro
