// HYPERVISOR_sched_op (xen/sched.h).
#include <algorithm>
#include <thread>
#include <vector>

#include "arguments.h"
#include "table.h"

namespace veneer {
namespace {

// How long a vCPU sleeps in one go. An interrupt raised inside KVM does not wake it, so the sleep
// is short; guests take waking up for nothing well.
constexpr std::uint64_t kNapNs = 1'000'000;

CallResult Yield(Call&) {
  std::this_thread::yield();
  return 0;
}

// Sleeps until one of `ports` is pending, `deadline_ns` (host time), or for a nap.
CallResult Nap(Call& call, std::span<const EvtchnPort> ports, std::uint64_t deadline_ns) {
  EventChannels& events = call.domain.events();
  if (events.UpcallPending(call.vcpu)) {
    return 0;
  }
  const std::uint64_t nap = call.domain.clock().MonotonicNs() + kNapNs;
  call.domain.SetRunState(call.vcpu, RunState::kBlocked);
  const auto outcome = events.Poll(call.vcpu, ports, std::min(nap, deadline_ns));
  call.domain.SetRunState(call.vcpu, RunState::kRunning);
  return outcome ? 0 : Errno(outcome.error());
}

CallResult Block(Call& call) { return Nap(call, {}, ~std::uint64_t{0}); }

CallResult Poll(Call& call, const SchedPoll& op) {
  if (op.nr_ports > EventChannels::kMaxPollPorts) {
    return Errno(XEN_EINVAL);
  }
  std::vector<EvtchnPort> ports(op.nr_ports);
  for (std::uint32_t i = 0; i < op.nr_ports; ++i) {
    if (!CopyIn(call, op.ports + i * sizeof(evtchn_port_t), ports[i].value)) {
      return Errno(XEN_EFAULT);
    }
  }
  const std::uint64_t deadline =
      op.timeout == 0 ? ~std::uint64_t{0} : call.domain.time().HostNs(op.timeout);
  return Nap(call, ports, deadline);
}

CallResult RequestShutdown(Call& call, const sched_shutdown_t& op) {
  return call.domain.shutdown().Request(static_cast<std::uint8_t>(op.reason));
}

CallResult SetShutdownCode(Call& call, const sched_shutdown_t& op) {
  call.domain.shutdown().SetCode(static_cast<std::uint8_t>(op.reason));
  return 0;
}

// Shutting down another domain. Domain 0 is there, but not the guest's to switch off; of itself it
// disposes by SCHEDOP_shutdown.
CallResult RemoteShutdown(Call&, const sched_remote_shutdown_t& op) {
  const bool known = op.domain_id == kHostDomId.value || op.domain_id == kGuestDomId.value;
  return Errno(known ? XEN_EPERM : XEN_ESRCH);
}

CallResult Watchdog(Call& call, const sched_watchdog_t& op) {
  const XenResult<std::uint32_t> id = call.domain.shutdown().SetWatchdog(op.id, op.timeout);
  return id ? std::int64_t{*id} : Errno(id.error());
}

// Pinning to a processor is for the hardware's own domain.
CallResult PinOverride(Call&) { return Errno(XEN_EPERM); }

constexpr std::uint32_t kNumber = __HYPERVISOR_sched_op;
constexpr HypercallRow kRows[] = {
    {kNumber, SCHEDOP_yield, "sched_op.yield", Yield},
    {kNumber, SCHEDOP_block, "sched_op.block", Block},
    {kNumber, SCHEDOP_shutdown, "sched_op.shutdown", In<RequestShutdown>},
    {kNumber, SCHEDOP_poll, "sched_op.poll", In<Poll>},
    {kNumber, SCHEDOP_remote_shutdown, "sched_op.remote_shutdown", In<RemoteShutdown>},
    {kNumber, SCHEDOP_shutdown_code, "sched_op.shutdown_code", In<SetShutdownCode>},
    {kNumber, SCHEDOP_watchdog, "sched_op.watchdog", In<Watchdog>},
    {kNumber, SCHEDOP_pin_override, "sched_op.pin_override", PinOverride},
};

}  // namespace

std::span<const HypercallRow> SchedRows() { return kRows; }

}  // namespace veneer
