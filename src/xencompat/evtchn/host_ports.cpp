// Domain 0's side: the ports of the back-ends, of xenstore and of the console.
#include <fcntl.h>

#include <cerrno>

#include "event_channel_state.h"
#include "veneer/xencompat/evtchn/event_channels.h"

namespace veneer {
namespace {

// EMFILE if the process has no descriptor left.
XenResult<std::shared_ptr<HostEndpoint>> EndpointFor(int event_fd) {
  UniqueFd copy(fcntl(event_fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) {
    static LogLimiter limiter;
    LogGuest(limiter, "event channels: cannot duplicate an eventfd (errno {})", errno);
    return XenError(XEN_EMFILE);
  }
  return std::make_shared<HostEndpoint>(EventFd(std::move(copy)));
}

XenResult<EvtchnPort> AllocUnboundWith(EventChannelState& state,
                                       std::shared_ptr<HostEndpoint> endpoint) {
  const MutexLock topology(state.topology);
  const MutexLock lock(state.lock);
  const XenResult<std::uint32_t> number = state.FindFreeHostPort();
  if (!number) {
    return XenError(number.error());
  }
  Port& port = state.host.at(*number);
  port.state = PortState::kUnbound;
  port.remote_dom = kGuestDomId;
  state.endpoints[*number] = std::move(endpoint);
  return EvtchnPort{*number};
}

XenResult<EvtchnPort> BindWith(EventChannelState& state, EvtchnPort guest_port,
                               const std::shared_ptr<HostEndpoint>& endpoint) {
  std::uint32_t number = 0;
  std::optional<Binding> binding;
  const MutexLock topology(state.topology);
  {
    const MutexLock lock(state.lock);
    const XenResult<std::uint32_t> free_port = state.FindFreeHostPort();
    if (!free_port) {
      return XenError(free_port.error());
    }
    number = *free_port;
    const Port* remote = state.guest.FindInUse(guest_port);
    if (remote == nullptr || remote->state != PortState::kUnbound ||
        remote->remote_dom != kHostDomId) {
      return XenError(XEN_EINVAL);
    }
    state.endpoints[number] = endpoint;
    state.Connect(kHostDomId, number, kGuestDomId, guest_port.value);
    binding = state.BindingOf(guest_port.value);
  }
  state.TellBound(binding);
  if (endpoint->event_fd() >= 0) {
    endpoint->Signal();
  }
  return EvtchnPort{number};
}

}  // namespace

XenResult<EvtchnPort> EventChannels::AllocHostUnbound(Handler handler) {
  return AllocUnboundWith(*state_, std::make_shared<HostEndpoint>(std::move(handler)));
}

XenResult<EvtchnPort> EventChannels::AllocHostUnbound(int event_fd) {
  auto endpoint = EndpointFor(event_fd);
  if (!endpoint) {
    return XenError(endpoint.error());
  }
  return AllocUnboundWith(*state_, std::move(*endpoint));
}

XenResult<EvtchnPort> EventChannels::BindHost(EvtchnPort guest_port, Handler handler) {
  return BindWith(*state_, guest_port, std::make_shared<HostEndpoint>(std::move(handler)));
}

XenResult<EvtchnPort> EventChannels::BindHost(EvtchnPort guest_port, int event_fd) {
  auto endpoint = EndpointFor(event_fd);
  if (!endpoint) {
    return XenError(endpoint.error());
  }
  return BindWith(*state_, guest_port, *endpoint);
}

XenResult<EvtchnPort> EventChannels::AllocGuestUnbound() {
  return AllocUnbound(DOMID_SELF, kHostDomId.value);
}

XenResult<void> EventChannels::CloseHost(EvtchnPort host_port) {
  std::shared_ptr<HostEndpoint> endpoint;
  {
    const MutexLock topology(state_->topology);
    std::optional<Binding> unbinding;
    {
      const MutexLock lock(state_->lock);
      const Port* port = state_->host.FindInUse(host_port);
      if (port == nullptr) {
        return XenError(XEN_EINVAL);
      }
      if (port->state == PortState::kInterdomain) {
        unbinding = state_->BindingOf(port->remote_port);
      }
      endpoint = std::move(state_->endpoints[host_port.value]);
      if (port->state == PortState::kInterdomain) {
        Port& other = state_->guest.at(port->remote_port);
        other.state = PortState::kUnbound;
        other.remote_dom = kHostDomId;
        other.remote_port = 0;
      }
      state_->host.Free(host_port.value);
    }
    state_->TellUnbound(unbinding);
  }
  // Not under the topology lock: a handler that is just running may want it.
  endpoint->Shut();
  return {};
}

XenResult<void> EventChannels::Notify(EvtchnPort host_port) {
  RaiseList raises;
  {
    const MutexLock lock(state_->lock);
    const Port* port = state_->host.FindInUse(host_port);
    if (port == nullptr) {
      return XenError(XEN_EINVAL);
    }
    if (port->state == PortState::kInterdomain) {
      state_->SetPending(port->remote_port, raises);
    }
  }
  state_->notifies.Add();
  state_->RaiseAll(raises);
  return {};
}

}  // namespace veneer
