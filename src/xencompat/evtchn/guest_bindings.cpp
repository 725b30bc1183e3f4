// The guest's operations that make, change and end bindings (EVTCHNOP_*, <xen/event_channel.h>).
#include "event_channel_state.h"
#include "veneer/xencompat/evtchn/event_channels.h"

namespace veneer {

XenResult<EvtchnPort> EventChannels::AllocUnbound(std::uint16_t dom, std::uint16_t remote_dom) {
  switch (ChooseDomain(dom)) {
    case DomainChoice::kGuest:
      break;
    case DomainChoice::kHost:
      return XenError(XEN_EPERM);
    case DomainChoice::kNone:
      return XenError(XEN_ESRCH);
  }
  const MutexLock topology(state_->topology);
  const MutexLock lock(state_->lock);
  const XenResult<std::uint32_t> number = state_->FindFreeGuestPort();
  if (!number) {
    return XenError(number.error());
  }
  Port& port = state_->guest.at(*number);
  port.state = PortState::kUnbound;
  port.remote_dom = remote_dom == DOMID_SELF ? kGuestDomId : DomId{remote_dom};
  return EvtchnPort{*number};
}

XenResult<EvtchnPort> EventChannels::BindInterdomain(std::uint16_t remote_dom,
                                                     EvtchnPort remote_port) {
  const DomainChoice choice = ChooseDomain(remote_dom);
  if (choice == DomainChoice::kNone) {
    return XenError(XEN_ESRCH);
  }
  const bool to_host = choice == DomainChoice::kHost;
  RaiseList raises;
  std::uint32_t number = 0;
  {
    const MutexLock topology(state_->topology);
    std::optional<Binding> binding;
    {
      const MutexLock lock(state_->lock);
      const XenResult<std::uint32_t> free_port = state_->FindFreeGuestPort();
      if (!free_port) {
        return XenError(free_port.error());
      }
      number = *free_port;
      const Port* remote = (to_host ? state_->host : state_->guest).Find(remote_port);
      if (remote == nullptr || remote->state != PortState::kUnbound ||
          remote->remote_dom != kGuestDomId) {
        return XenError(XEN_EINVAL);
      }
      state_->Connect(kGuestDomId, number, to_host ? kHostDomId : kGuestDomId, remote_port.value);
      binding = state_->BindingOf(number);
      // What was sent to the other end before had nobody to arrive at.
      state_->SetPending(number, raises);
    }
    state_->TellBound(binding);
  }
  state_->RaiseAll(raises);
  return EvtchnPort{number};
}

XenResult<EvtchnPort> EventChannels::BindVirq(std::uint32_t virq, std::uint32_t vcpu) {
  if (virq >= kNumVirqs || (VirqIsGlobal(virq) && vcpu != 0)) {
    return XenError(XEN_EINVAL);
  }
  const MutexLock topology(state_->topology);
  std::optional<Binding> binding;
  std::uint32_t number = 0;
  {
    const MutexLock lock(state_->lock);
    if (!state_->VcpuExists(vcpu)) {
      return XenError(XEN_ENOENT);
    }
    std::uint32_t& bound = state_->virq_ports[vcpu][virq];
    if (bound != 0) {
      return XenError(XEN_EEXIST);
    }
    const XenResult<std::uint32_t> free_port = state_->FindFreeGuestPort();
    if (!free_port) {
      return XenError(free_port.error());
    }
    number = *free_port;
    Port& port = state_->guest.at(number);
    port.state = PortState::kVirq;
    port.virq = virq;
    port.vcpu = vcpu;
    bound = number;
    binding = state_->BindingOf(number);
  }
  state_->TellBound(binding);
  return EvtchnPort{number};
}

XenResult<EvtchnPort> EventChannels::BindIpi(std::uint32_t vcpu) {
  const MutexLock topology(state_->topology);
  std::optional<Binding> binding;
  std::uint32_t number = 0;
  {
    const MutexLock lock(state_->lock);
    if (!state_->VcpuExists(vcpu)) {
      return XenError(XEN_ENOENT);
    }
    const XenResult<std::uint32_t> free_port = state_->FindFreeGuestPort();
    if (!free_port) {
      return XenError(free_port.error());
    }
    number = *free_port;
    Port& port = state_->guest.at(number);
    port.state = PortState::kIpi;
    port.vcpu = vcpu;
    binding = state_->BindingOf(number);
  }
  state_->TellBound(binding);
  return EvtchnPort{number};
}

XenResult<EvtchnPort> EventChannels::BindPirq(std::uint32_t /*pirq*/, std::uint32_t /*flags*/) {
  // As with a domain whose number of physical interrupts is 0: every number is out of range.
  return XenError(XEN_EINVAL);
}

XenResult<void> EventChannels::Close(EvtchnPort port) {
  const MutexLock topology(state_->topology);
  std::optional<Binding> unbinding;
  {
    const MutexLock lock(state_->lock);
    if (state_->guest.FindInUse(port) == nullptr) {
      return XenError(XEN_EINVAL);
    }
    unbinding = state_->CloseGuestPort(port.value);
  }
  state_->TellUnbound(unbinding);
  return {};
}

XenResult<void> EventChannels::BindVcpu(EvtchnPort port, std::uint32_t vcpu) {
  const MutexLock lock(state_->lock);
  if (!state_->VcpuExists(vcpu)) {
    return XenError(XEN_ENOENT);
  }
  Port* found = state_->guest.FindInUse(port);
  if (found == nullptr || found->state == PortState::kIpi ||
      (found->state == PortState::kVirq && !VirqIsGlobal(found->virq))) {
    return XenError(XEN_EINVAL);
  }
  found->vcpu = vcpu;
  return {};
}

XenResult<EventChannels::PortStatus> EventChannels::Status(std::uint16_t dom,
                                                           EvtchnPort port) const {
  switch (ChooseDomain(dom)) {
    case DomainChoice::kGuest:
      break;
    case DomainChoice::kHost:
      return XenError(XEN_EPERM);
    case DomainChoice::kNone:
      return XenError(XEN_ESRCH);
  }
  const MutexLock lock(state_->lock);
  const Port* found = std::as_const(state_->guest).Find(port);
  if (found == nullptr) {
    return XenError(XEN_EINVAL);
  }
  PortStatus status;
  status.vcpu = found->vcpu;
  switch (found->state) {
    case PortState::kFree:
    case PortState::kReserved:
      status.status = EVTCHNSTAT_closed;
      break;
    case PortState::kUnbound:
      status.status = EVTCHNSTAT_unbound;
      status.remote_dom = found->remote_dom.value;
      break;
    case PortState::kInterdomain:
      status.status = EVTCHNSTAT_interdomain;
      status.remote_dom = found->remote_dom.value;
      status.remote_port = found->remote_port;
      break;
    case PortState::kVirq:
      status.status = EVTCHNSTAT_virq;
      status.virq = found->virq;
      break;
    case PortState::kIpi:
      status.status = EVTCHNSTAT_ipi;
      break;
  }
  return status;
}

XenResult<void> EventChannels::Reset(std::uint16_t dom) {
  switch (ChooseDomain(dom)) {
    case DomainChoice::kGuest:
      break;
    case DomainChoice::kHost:
      return XenError(XEN_EPERM);
    case DomainChoice::kNone:
      return XenError(XEN_ESRCH);
  }
  const MutexLock topology(state_->topology);
  std::vector<Binding> unbindings;
  {
    const MutexLock lock(state_->lock);
    for (std::uint32_t number = 1; number < state_->guest.size(); ++number) {
      if (state_->guest.at(number).InUse()) {
        if (auto unbinding = state_->CloseGuestPort(number)) {
          unbindings.push_back(std::move(*unbinding));
        }
      }
    }
    state_->fifo.reset();
    state_->guest = PortTable();
  }
  for (const Binding& unbinding : unbindings) {
    state_->TellUnbound(unbinding);
  }
  return {};
}

}  // namespace veneer
