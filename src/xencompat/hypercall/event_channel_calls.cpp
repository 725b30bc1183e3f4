// HYPERVISOR_event_channel_op (xen/event_channel.h): all of its arguments look the same to 32-bit
// and 64-bit code.
#include "table.h"

namespace veneer {
namespace {

// Hands the port of a call that makes one to the guest.
CallResult ReturnPort(const XenResult<EvtchnPort>& port, evtchn_port_t& out) {
  if (!port) {
    return Errno(port.error());
  }
  out = port->value;
  return 0;
}

CallResult BindInterdomain(Call& call, evtchn_bind_interdomain_t& op) {
  return ReturnPort(call.domain.events().BindInterdomain(op.remote_dom, EvtchnPort{op.remote_port}),
                    op.local_port);
}

CallResult BindVirq(Call& call, evtchn_bind_virq_t& op) {
  return ReturnPort(call.domain.events().BindVirq(op.virq, op.vcpu), op.port);
}

CallResult BindPirq(Call& call, evtchn_bind_pirq_t& op) {
  return ReturnPort(call.domain.events().BindPirq(op.pirq, op.flags), op.port);
}

CallResult BindIpi(Call& call, evtchn_bind_ipi_t& op) {
  return ReturnPort(call.domain.events().BindIpi(op.vcpu), op.port);
}

CallResult AllocUnbound(Call& call, evtchn_alloc_unbound_t& op) {
  return ReturnPort(call.domain.events().AllocUnbound(op.dom, op.remote_dom), op.port);
}

CallResult Close(Call& call, const evtchn_close_t& op) {
  return call.domain.events().Close(EvtchnPort{op.port});
}

CallResult Send(Call& call, const evtchn_send_t& op) {
  return call.domain.events().Send(EvtchnPort{op.port});
}

CallResult Unmask(Call& call, const evtchn_unmask_t& op) {
  return call.domain.events().Unmask(EvtchnPort{op.port});
}

CallResult BindVcpu(Call& call, const evtchn_bind_vcpu_t& op) {
  return call.domain.events().BindVcpu(EvtchnPort{op.port}, op.vcpu);
}

CallResult Status(Call& call, evtchn_status_t& op) {
  const auto status = call.domain.events().Status(op.dom, EvtchnPort{op.port});
  if (!status) {
    return Errno(status.error());
  }
  op.status = status->status;
  op.vcpu = status->vcpu;
  op.u = {};
  switch (status->status) {
    case EVTCHNSTAT_unbound:
      op.u.unbound.dom = status->remote_dom;
      break;
    case EVTCHNSTAT_interdomain:
      op.u.interdomain.dom = status->remote_dom;
      op.u.interdomain.port = status->remote_port;
      break;
    case EVTCHNSTAT_virq:
      op.u.virq = status->virq;
      break;
    default:
      break;
  }
  return 0;
}

CallResult Reset(Call& call, const evtchn_reset_t& op) {
  return call.domain.events().Reset(op.dom);
}

CallResult InitControl(Call& call, evtchn_init_control_t& op) {
  const auto link_bits = call.domain.events().InitControl(op.vcpu, Gfn{op.control_gfn}, op.offset);
  if (!link_bits) {
    return Errno(link_bits.error());
  }
  op.link_bits = *link_bits;
  return 0;
}

CallResult ExpandArray(Call& call, const evtchn_expand_array_t& op) {
  return call.domain.events().ExpandArray(Gfn{op.array_gfn});
}

CallResult SetPriority(Call& call, const evtchn_set_priority_t& op) {
  return call.domain.events().SetPriority(EvtchnPort{op.port}, op.priority);
}

constexpr std::uint32_t kNumber = __HYPERVISOR_event_channel_op;
constexpr HypercallRow kRows[] = {
    {kNumber, EVTCHNOP_bind_interdomain, "event_channel_op.bind_interdomain",
     InOut<BindInterdomain>},
    {kNumber, EVTCHNOP_bind_virq, "event_channel_op.bind_virq", InOut<BindVirq>},
    {kNumber, EVTCHNOP_bind_pirq, "event_channel_op.bind_pirq", InOut<BindPirq>},
    {kNumber, EVTCHNOP_close, "event_channel_op.close", In<Close>},
    {kNumber, EVTCHNOP_send, "event_channel_op.send", In<Send>},
    {kNumber, EVTCHNOP_status, "event_channel_op.status", InOut<Status>},
    {kNumber, EVTCHNOP_alloc_unbound, "event_channel_op.alloc_unbound", InOut<AllocUnbound>},
    {kNumber, EVTCHNOP_bind_ipi, "event_channel_op.bind_ipi", InOut<BindIpi>},
    {kNumber, EVTCHNOP_bind_vcpu, "event_channel_op.bind_vcpu", In<BindVcpu>},
    {kNumber, EVTCHNOP_unmask, "event_channel_op.unmask", In<Unmask>},
    {kNumber, EVTCHNOP_reset, "event_channel_op.reset", In<Reset>},
    {kNumber, EVTCHNOP_init_control, "event_channel_op.init_control", InOut<InitControl>},
    {kNumber, EVTCHNOP_expand_array, "event_channel_op.expand_array", In<ExpandArray>},
    {kNumber, EVTCHNOP_set_priority, "event_channel_op.set_priority", In<SetPriority>},
};

}  // namespace

std::span<const HypercallRow> EventChannelRows() { return kRows; }

}  // namespace veneer
