// HYPERVISOR_event_channel_op by the 2-level ABI, and how the guest hears of events.
#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "platform.h"
#include "report.h"
#include "tests.h"
#include "traps.h"

namespace micro {
namespace {

evtchn_status_t StatusOf(uint32_t port) {
  evtchn_status_t op{};
  op.dom = DOMID_SELF;
  op.port = port;
  op.status = ~0U;
  static_cast<void>(EventOp(EVTCHNOP_status, &op));
  return op;
}

intptr_t AllocUnbound(domid_t dom, domid_t remote, uint32_t* port) {
  evtchn_alloc_unbound_t op{};
  op.dom = dom;
  op.remote_dom = remote;
  const intptr_t result = EventOp(EVTCHNOP_alloc_unbound, &op);
  *port = op.port;
  return result;
}

intptr_t BindInterdomain(domid_t remote, uint32_t remote_port, uint32_t* port) {
  evtchn_bind_interdomain_t op{};
  op.remote_dom = remote;
  op.remote_port = remote_port;
  const intptr_t result = EventOp(EVTCHNOP_bind_interdomain, &op);
  *port = op.local_port;
  return result;
}

intptr_t BindVirq(uint32_t virq, uint32_t vcpu, uint32_t* port) {
  evtchn_bind_virq_t op{};
  op.virq = virq;
  op.vcpu = vcpu;
  const intptr_t result = EventOp(EVTCHNOP_bind_virq, &op);
  *port = op.port;
  return result;
}

intptr_t BindVcpu(uint32_t port, uint32_t vcpu) {
  evtchn_bind_vcpu_t op{port, vcpu};
  return EventOp(EVTCHNOP_bind_vcpu, &op);
}

intptr_t UnmaskCall(uint32_t port) {
  evtchn_unmask_t op{port};
  return EventOp(EVTCHNOP_unmask, &op);
}

void CheckIpi() {
  const uint32_t port = BindIpi();
  CheckTrue("events/bind_ipi", port != 0);
  Check("events/ipi-status", StatusOf(port).status, EVTCHNSTAT_ipi);
  const uint32_t before = events_seen[port];
  const uint32_t upcalls_before = upcalls;
  Check("events/send", Send(port), 0);
  CheckTrue("events/send-is-pending", IsPending(port) && VcpuInfo().evtchn_upcall_pending != 0);
  CheckTrue("events/ipi-arrives", WaitForEvent(port, before + 1));
  CheckTrue("events/by-upcall", WaitForCount(upcalls, upcalls_before + 1));
  Check("events/by-one-upcall", upcalls, upcalls_before + 1);
  Check("events/not-pending", IsPending(port), 0);

  Mask(port);
  Check("events/send-masked", Send(port), 0);
  CheckTrue("events/masked-is-pending", IsPending(port));
  Check("events/masked-makes-no-upcall", VcpuInfo().evtchn_upcall_pending, 0);
  Check("events/unmask", UnmaskCall(port), 0);
  CheckTrue("events/unmasked-arrives", WaitForEvent(port, before + 2));
  Check("events/ipi-bind_vcpu", BindVcpu(port, 0), -XEN_EINVAL);
  Check("events/close", Close(port), 0);
  Check("events/close-twice", Close(port), -XEN_EINVAL);
  Check("events/closed-status", StatusOf(port).status, EVTCHNSTAT_closed);
  Check("events/send-closed", Send(port), -XEN_EINVAL);

  evtchn_bind_ipi_t nobody{99, 0};
  Check("events/bind_ipi-no-vcpu", EventOp(EVTCHNOP_bind_ipi, &nobody), -XEN_ENOENT);
}

void CheckUnbound() {
  uint32_t port = 0;
  Check("events/alloc_unbound", AllocUnbound(DOMID_SELF, 0, &port), 0);
  const evtchn_status_t status = StatusOf(port);
  Check("events/unbound-status", status.status, EVTCHNSTAT_unbound);
  Check("events/unbound-remote", status.u.unbound.dom, 0);
  Check("events/send-unbound", Send(port), 0);
  Check("events/bind_vcpu", BindVcpu(port, 0), 0);
  Check("events/bind_vcpu-no-vcpu", BindVcpu(port, 99), -XEN_ENOENT);
  Check("events/close-unbound", Close(port), 0);
  Check("events/alloc_unbound-of-domain-0", AllocUnbound(0, 0, &port), -XEN_EPERM);
  Check("events/alloc_unbound-of-nobody", AllocUnbound(99, 0, &port), -XEN_ESRCH);
}

// Both ends are the guest's own.
void CheckInterdomain() {
  uint32_t first = 0;
  uint32_t second = 0;
  Check("events/alloc_unbound-self", AllocUnbound(DOMID_SELF, DOMID_SELF, &first), 0);
  Check("events/bind_interdomain", BindInterdomain(DOMID_SELF, first, &second), 0);
  const evtchn_status_t status = StatusOf(second);
  Check("events/interdomain-status", status.status, EVTCHNSTAT_interdomain);
  Check("events/interdomain-port", status.u.interdomain.port, first);
  const uint32_t before = events_seen[first];
  Check("events/send-interdomain", Send(second), 0);
  CheckTrue("events/interdomain-arrives", WaitForEvent(first, before + 1));
  uint32_t port = 0;
  Check("events/bind_interdomain-taken", BindInterdomain(DOMID_SELF, first, &port), -XEN_EINVAL);
  Check("events/bind_interdomain-bad-port", BindInterdomain(0, 4000, &port), -XEN_EINVAL);
  Check("events/bind_interdomain-nobody", BindInterdomain(99, 1, &port), -XEN_ESRCH);
  Check("events/close-interdomain", Close(second), 0);
  Check("events/other-end-unbound", StatusOf(first).status, EVTCHNSTAT_unbound);
  Check("events/close-other-end", Close(first), 0);
}

void CheckVirq() {
  uint32_t port = 0;
  Check("events/bind_virq", BindVirq(VIRQ_DEBUG, 0, &port), 0);
  const evtchn_status_t status = StatusOf(port);
  Check("events/virq-status", status.status, EVTCHNSTAT_virq);
  Check("events/virq-number", status.u.virq, VIRQ_DEBUG);
  uint32_t other = 0;
  Check("events/bind_virq-twice", BindVirq(VIRQ_DEBUG, 0, &other), -XEN_EEXIST);
  Check("events/send-virq", Send(port), -XEN_EINVAL);
  Check("events/virq-bind_vcpu", BindVcpu(port, 0), -XEN_EINVAL);
  Check("events/close-virq", Close(port), 0);
  Check("events/bind_virq-unknown", BindVirq(99, 0, &port), -XEN_EINVAL);
  Check("events/bind_virq-no-vcpu", BindVirq(VIRQ_DEBUG, 99, &port), -XEN_ENOENT);
}

}  // namespace

void TestEvents() {
  CheckIpi();
  CheckUnbound();
  CheckInterdomain();
  CheckVirq();
  evtchn_bind_pirq_t pirq{};
  Check("events/bind_pirq", EventOp(EVTCHNOP_bind_pirq, &pirq), -XEN_EINVAL);
  const uint32_t port_list[] = {0U, 4000U, 0xffffffffU};
  for (const uint32_t port : port_list) {
    Check("events/send-bad-port", Send(port), -XEN_EINVAL);
    Check("events/close-bad-port", Close(port), -XEN_EINVAL);
  }
  Check("events/unmask-bad-port", UnmaskCall(0xffffffff), -XEN_EINVAL);
  evtchn_set_priority_t priority{1, 3};
  Check("events/set_priority-without-fifo", EventOp(EVTCHNOP_set_priority, &priority), -XEN_ENOSYS);
  evtchn_expand_array_t expand{1};
  Check("events/expand_array-without-fifo", EventOp(EVTCHNOP_expand_array, &expand),
        -XEN_EOPNOTSUPP);
  evtchn_reset_t reset{0};
  Check("events/reset-of-domain-0", EventOp(EVTCHNOP_reset, &reset), -XEN_EPERM);
  Check("events/unknown", EventOp(30, &reset), -XEN_ENOSYS);
  const uint32_t op_list[] = {EVTCHNOP_bind_interdomain,
                              EVTCHNOP_bind_virq,
                              EVTCHNOP_bind_ipi,
                              EVTCHNOP_close,
                              EVTCHNOP_status,
                              EVTCHNOP_alloc_unbound,
                              EVTCHNOP_bind_vcpu,
                              EVTCHNOP_unmask,
                              EVTCHNOP_reset,
                              EVTCHNOP_init_control,
                              EVTCHNOP_set_priority};
  for (const uint32_t op : op_list) {
    Check("events/bad-pointer", EventOp(op, bad_address - 1), -XEN_EFAULT);
  }
  Check("events/not-ram", EventOp(EVTCHNOP_status, kNotRam), -XEN_EFAULT);
}

// The ways in which a guest can be told of events: a vector for all vCPUs without EOI, a line of
// the interrupt controller by number or by PCI pin, a vector of the vCPU's own. In this order:
// there is no way back from the last.
bool TestCallbacks() {
  constexpr unsigned kTypeShift = 56;
  constexpr uint64_t kGsi = 11;
  const uint32_t port = BindIpi();
  CheckTrue("callback/port", port != 0);

  constexpr uint64_t kByVector = uint64_t{HVM_PARAM_CALLBACK_TYPE_VECTOR} << kTypeShift;
  Check("callback/vector", SetParam(HVM_PARAM_CALLBACK_IRQ, kByVector | kCallbackVector), 0);
  for (uint32_t i = 1; i <= 3; ++i) {
    Send(port);
    Check("callback/vector-arrives", WaitForEvent(port, i), 1);
  }
  Check("callback/vector-count", callbacks, 3);

  RouteLine(kGsi, kLineVector);
  Check("callback/line", SetParam(HVM_PARAM_CALLBACK_IRQ, kGsi), 0);
  for (uint32_t i = 4; i <= 6; ++i) {
    Send(port);
    Check("callback/line-arrives", WaitForEvent(port, i), 1);
  }
  // An interrupt or two too many can come: the line falls some time after the guest has taken the
  // events.
  CheckTrue("callback/line-falls", lines >= 3 && lines < 100);

  // Which of the upper lines is the device's INTA is for firmware tables to say: all of them will
  // do.
  for (uint32_t line = 16; line < 24; ++line) {
    RouteLine(line, kLineVector);
  }
  const uint64_t intx =
      (uint64_t{HVM_PARAM_CALLBACK_TYPE_PCI_INTX} << kTypeShift) | (PlatformDevice() << 11);
  Check("callback/intx", SetParam(HVM_PARAM_CALLBACK_IRQ, intx), 0);
  for (uint32_t i = 7; i <= 9; ++i) {
    Send(port);
    Check("callback/intx-arrives", WaitForEvent(port, i), 1);
  }
  CheckTrue("callback/intx-falls", lines >= 6 && lines < 200);

  xen_hvm_evtchn_upcall_vector_t vector{};
  vector.vector = kUpcallVector;
  Check("callback/own-vector", HvmOp(HVMOP_set_evtchn_upcall_vector, &vector), 0);
  Send(port);
  Check("callback/own-vector-arrives", WaitForEvent(port, 10), 1);
  CheckTrue("callback/own-vector-interrupts", WaitForCount(upcalls, 1));
  Check("callback/signal", SetParam(HVM_PARAM_CALLBACK_IRQ, 1), 0);
  Check("callback/close", Close(port), 0);
  return events_seen[port] == 10;
}

}  // namespace micro
