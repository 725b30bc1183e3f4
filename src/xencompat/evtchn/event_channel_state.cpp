#include "event_channel_state.h"

#include <algorithm>

namespace veneer {

void RaiseList::Add(std::uint32_t vcpu) {
  if (!first_) {
    first_ = vcpu;
  } else {
    others_.push_back(vcpu);
  }
}

void RaiseList::RaiseAll(UpcallSink& sink) const {
  if (first_) {
    sink.Raise(*first_);
  }
  for (const std::uint32_t vcpu : others_) {
    sink.Raise(vcpu);
  }
}

void RaiseList::AddKernelEvent(const KernelEvent& event) {
  if (!first_event_) {
    first_event_ = event;
  } else {
    other_events_.push_back(event);
  }
}

DomainChoice ChooseDomain(std::uint16_t dom) {
  if (dom == DOMID_SELF || dom == kGuestDomId.value) {
    return DomainChoice::kGuest;
  }
  return dom == kHostDomId.value ? DomainChoice::kHost : DomainChoice::kNone;
}

bool VirqIsGlobal(std::uint32_t virq) {
  switch (virq) {
    case VIRQ_TIMER:
    case VIRQ_DEBUG:
    case VIRQ_XENOPROF:
    case VIRQ_XENPMU:
      return false;
    default:
      return true;
  }
}

EventChannelState::EventChannelState(GuestMemory& memory_in, std::span<std::byte> shared_info,
                                     UpcallSink& sink_in, Metrics& metrics,
                                     const EventChannels::Options& options_in)
    : memory(memory_in),
      sink(sink_in),
      options(options_in),
      sends(metrics.Get("xen.evtchn.sends")),
      notifies(metrics.Get("xen.evtchn.notifies")),
      upcalls(metrics.Get("xen.evtchn.upcalls")),
      kernel_sends(metrics.Get("xen.evtchn.kernel_sends")),
      lost(metrics.Get("xen.evtchn.fifo_lost")),
      violations(metrics.Get("xen.evtchn.fifo_violations")),
      infos(shared_info, options_in.vcpus),
      two_level(shared_info, infos),
      virq_ports(options_in.vcpus),
      pollers(options_in.vcpus) {
  for (auto& ports : virq_ports) {
    ports.fill(0);
  }
}

XenResult<std::uint32_t> EventChannelState::FindFreeGuestPort() {
  const std::uint32_t abi_max =
      (fifo != nullptr ? std::uint32_t{EVTCHN_FIFO_NR_CHANNELS} : two_level.MaxPorts()) - 1;
  const std::uint32_t found = guest.FindFree(std::min(options.max_port, abi_max),
                                             [in_use = fifo.get()](std::uint32_t number) {
                                               return in_use != nullptr && in_use->IsBusy(number);
                                             });
  if (found == 0) {
    LogGuest(refused_log, "event channels: the guest has no free port left");
    return XenError(XEN_ENOSPC);
  }
  guest.at(found).vcpu = boot_vcpu;
  return found;
}

XenResult<std::uint32_t> EventChannelState::FindFreeHostPort() {
  const std::uint32_t found =
      host.FindFree(EventChannels::kMaxHostPorts - 1, [](std::uint32_t) { return false; });
  if (found == 0) {
    LogGuest(refused_log, "event channels: domain 0 has no free port left");
    return XenError(XEN_ENOSPC);
  }
  endpoints.resize(host.size());
  return found;
}

void EventChannelState::Finish(Delivery delivery, std::uint32_t guest_port, RaiseList& raises) {
  const std::uint32_t vcpu = guest.at(guest_port).vcpu;
  if (delivery.mark_vcpu && infos.MarkPending(vcpu)) {
    upcalls.Add();
    raises.Add(vcpu);
  }
  if (delivery.newly_pending) {
    pollers.Wake(EvtchnPort{guest_port});
  }
}

void EventChannelState::SetPending(std::uint32_t guest_port, RaiseList& raises) {
  if (options.kernel == nullptr) {
    SetPendingHere(guest_port, raises);
  } else if (!two_level.IsPending(guest_port)) {
    raises.AddKernelEvent({EvtchnPort{guest_port}, guest.at(guest_port).vcpu});
  }
}

void EventChannelState::RaiseAll(const RaiseList& raises) {
  raises.ForEachKernelEvent([this](const RaiseList::KernelEvent& event) {
    if (options.kernel->Send(event.port, event.vcpu)) {
      kernel_sends.Add();
      return;
    }
    RaiseList here;
    {
      const MutexLock guard(lock);
      if (guest.FindInUse(event.port) != nullptr) {
        SetPendingHere(event.port.value, here);
      }
    }
    here.RaiseAll(sink);
  });
  raises.RaiseAll(sink);
}

void EventChannelState::SetPendingHere(std::uint32_t guest_port, RaiseList& raises) {
  Port& port = guest.at(guest_port);
  Finish(
      fifo != nullptr ? fifo->SetPending(guest_port, port) : two_level.SetPending(guest_port, port),
      guest_port, raises);
}

void EventChannelState::UnmaskPort(std::uint32_t guest_port, RaiseList& raises) {
  Port& port = guest.at(guest_port);
  Finish(fifo != nullptr ? fifo->Unmask(guest_port, port) : two_level.Unmask(guest_port, port),
         guest_port, raises);
}

bool EventChannelState::IsPending(std::uint32_t guest_port) const {
  return fifo != nullptr ? fifo->IsPending(guest_port) : two_level.IsPending(guest_port);
}

void EventChannelState::Connect(DomId a, std::uint32_t port_a, DomId b, std::uint32_t port_b) {
  Port& end_a = TableOf(a).at(port_a);
  end_a.state = PortState::kInterdomain;
  end_a.remote_dom = b;
  end_a.remote_port = port_b;
  Port& end_b = TableOf(b).at(port_b);
  end_b.state = PortState::kInterdomain;
  end_b.remote_dom = a;
  end_b.remote_port = port_a;
}

std::optional<Binding> EventChannelState::BindingOf(std::uint32_t number) const {
  const Port& port = *guest.Find(EvtchnPort{number});
  if (port.state == PortState::kIpi) {
    return Binding{EvtchnPort{number}, Binding::Kind::kIpi, port.vcpu};
  }
  if (port.state == PortState::kVirq && port.virq == VIRQ_TIMER) {
    return Binding{EvtchnPort{number}, Binding::Kind::kTimer, port.vcpu};
  }
  std::shared_ptr<HostEndpoint> endpoint = EndpointOf(port);
  if (endpoint == nullptr || endpoint->event_fd() < 0) {
    return std::nullopt;
  }
  return Binding{EvtchnPort{number}, Binding::Kind::kEventFd, 0, std::move(endpoint)};
}

std::optional<Binding> EventChannelState::CloseGuestPort(std::uint32_t number) {
  Port& port = guest.at(number);
  std::optional<Binding> unbinding = BindingOf(number);
  if (port.state == PortState::kInterdomain) {
    Port& other = TableOf(port.remote_dom).at(port.remote_port);
    other.state = PortState::kUnbound;
    other.remote_dom = kGuestDomId;
    other.remote_port = 0;
  } else if (port.state == PortState::kVirq) {
    virq_ports[VirqIsGlobal(port.virq) ? 0 : port.vcpu][port.virq] = 0;
  }
  // A later owner of the number must not inherit an event.
  if (fifo != nullptr) {
    fifo->ClearPending(number);
  } else {
    two_level.ClearPending(number);
  }
  guest.Free(number);
  pollers.Wake(EvtchnPort{number});
  return unbinding;
}

std::shared_ptr<HostEndpoint> EventChannelState::EndpointOf(const Port& guest_port) const {
  if (guest_port.state != PortState::kInterdomain || guest_port.remote_dom != kHostDomId) {
    return nullptr;
  }
  return endpoints[guest_port.remote_port];
}

void EventChannelState::TellBound(const std::optional<Binding>& binding) {
  if (observer == nullptr || !binding) {
    return;
  }
  switch (binding->kind) {
    case Binding::Kind::kEventFd:
      observer->OnInterdomainBound(binding->guest_port, binding->endpoint->event_fd());
      break;
    case Binding::Kind::kIpi:
      observer->OnIpiBound(binding->guest_port, binding->vcpu);
      break;
    case Binding::Kind::kTimer:
      observer->OnTimerBound(binding->guest_port, binding->vcpu);
      break;
  }
}

void EventChannelState::TellUnbound(const std::optional<Binding>& binding) {
  if (observer != nullptr && binding) {
    observer->OnUnbound(binding->guest_port);
  }
}

}  // namespace veneer
