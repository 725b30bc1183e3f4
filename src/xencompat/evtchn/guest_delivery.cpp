// The guest's operations on existing ports, and setting up the FIFO ABI (<xen/event_channel.h>).
#include "event_channel_state.h"
#include "veneer/xencompat/evtchn/event_channels.h"

namespace veneer {

XenResult<void> EventChannels::Send(EvtchnPort port) {
  RaiseList raises;
  std::shared_ptr<HostEndpoint> endpoint;
  {
    const MutexLock lock(state_->lock);
    const Port* found = state_->guest.FindInUse(port);
    if (found == nullptr) {
      return XenError(XEN_EINVAL);
    }
    switch (found->state) {
      case PortState::kInterdomain:
        if (found->remote_dom == kHostDomId) {
          endpoint = state_->EndpointOf(*found);
        } else {
          state_->SetPending(found->remote_port, raises);
        }
        break;
      case PortState::kIpi:
        state_->SetPending(port.value, raises);
        break;
      case PortState::kUnbound:
        break;  // dropped: the binder sets its own port pending
      default:
        return XenError(XEN_EINVAL);
    }
  }
  state_->sends.Add();
  if (endpoint != nullptr) {
    endpoint->Signal();
  }
  state_->RaiseAll(raises);
  return {};
}

XenResult<void> EventChannels::Unmask(EvtchnPort port) {
  RaiseList raises;
  {
    const MutexLock lock(state_->lock);
    const Port* found = state_->guest.Find(port);
    if (found == nullptr || found->state == PortState::kReserved) {
      return XenError(XEN_EINVAL);
    }
    if (found->InUse()) {
      state_->UnmaskPort(port.value, raises);
    }
  }
  state_->RaiseAll(raises);
  return {};
}

XenResult<void> EventChannels::SetPriority(EvtchnPort port, std::uint32_t priority) {
  const MutexLock lock(state_->lock);
  Port* found = state_->guest.Find(port);
  if (found == nullptr) {
    return XenError(XEN_EINVAL);
  }
  if (state_->fifo == nullptr) {
    return XenError(XEN_ENOSYS);
  }
  if (!found->InUse()) {
    return XenError(XEN_EACCES);
  }
  if (priority > EVTCHN_FIFO_PRIORITY_MIN) {
    return XenError(XEN_EINVAL);
  }
  // For events to come; one that is queued already stays where it is.
  found->priority = static_cast<std::uint8_t>(priority);
  return {};
}

XenResult<std::uint8_t> EventChannels::InitControl(std::uint32_t vcpu, Gfn control_frame,
                                                   std::uint32_t offset) {
  if (!state_->options.fifo) {
    return XenError(XEN_ENOSYS);
  }
  const MutexLock topology(state_->topology);
  const MutexLock lock(state_->lock);
  if (!state_->VcpuExists(vcpu)) {
    return XenError(XEN_ENOENT);
  }
  if (offset > kPageSize - sizeof(evtchn_fifo_control_block_t) || offset % 8 != 0) {
    return XenError(XEN_EINVAL);
  }
  if (state_->fifo != nullptr && state_->fifo->HasControl(vcpu)) {
    return XenError(XEN_EINVAL);
  }
  if (!control_frame.Addressable()) {
    return XenError(XEN_EINVAL);
  }
  const std::span<std::byte> page = state_->memory.Pin(control_frame.Address(), kPageSize);
  if (page.empty()) {
    return XenError(XEN_EINVAL);
  }
  if (state_->fifo == nullptr) {
    auto fifo = std::make_unique<Fifo>(state_->options.vcpus, state_->lost, state_->violations);
    // Events pending in the old ABI are delivered when their array page arrives.
    for (std::uint32_t number = 1; number < state_->guest.size(); ++number) {
      Port& port = state_->guest.at(number);
      port.pending_without_word = port.InUse() && state_->two_level.IsPending(number);
      port.priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    }
    state_->fifo = std::move(fifo);
  }
  state_->fifo->SetControl(vcpu, page.data() + offset);
  return std::uint8_t{EVTCHN_FIFO_LINK_BITS};
}

XenResult<void> EventChannels::ExpandArray(Gfn array_frame) {
  RaiseList raises;
  {
    const MutexLock topology(state_->topology);
    const MutexLock lock(state_->lock);
    if (state_->fifo == nullptr) {
      return XenError(XEN_EOPNOTSUPP);
    }
    if (state_->fifo->Full()) {
      return XenError(XEN_ENOSPC);
    }
    const std::span<std::byte> page = array_frame.Addressable()
                                          ? state_->memory.Pin(array_frame.Address(), kPageSize)
                                          : std::span<std::byte>();
    if (page.empty()) {
      return XenError(XEN_EINVAL);
    }
    const std::uint32_t first = state_->fifo->words();
    state_->fifo->AddPage(page.data());
    for (std::uint32_t number = first;
         number < state_->fifo->words() && number < state_->guest.size(); ++number) {
      Port& port = state_->guest.at(number);
      if (std::exchange(port.pending_without_word, false) && port.InUse()) {
        state_->SetPending(number, raises);
      }
    }
  }
  state_->RaiseAll(raises);
  return {};
}

void EventChannels::RaiseVirq(std::uint32_t vcpu, std::uint32_t virq) {
  RaiseList raises;
  {
    const MutexLock lock(state_->lock);
    if (virq >= kNumVirqs || !state_->VcpuExists(vcpu)) {
      return;
    }
    const std::uint32_t number = state_->virq_ports[VirqIsGlobal(virq) ? 0 : vcpu][virq];
    if (number == 0) {
      return;
    }
    state_->SetPending(number, raises);
  }
  state_->RaiseAll(raises);
}

}  // namespace veneer
