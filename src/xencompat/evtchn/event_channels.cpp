#include "veneer/xencompat/evtchn/event_channels.h"

#include "event_channel_state.h"
#include "veneer/vmm/base/check.h"

namespace veneer {

// Construction, what the hypercall layer tells about memory and vCPUs, and polling.

Result<std::unique_ptr<EventChannels>> EventChannels::Create(GuestMemory& memory,
                                                             std::span<std::byte> shared_info,
                                                             UpcallSink& sink, Metrics& metrics,
                                                             const Options& options) {
  if (options.vcpus == 0 || options.vcpus > kMaxVcpus) {
    return UsageError("event channels serve 1 to {} vCPUs, not {}", kMaxVcpus, options.vcpus);
  }
  if (options.max_port == 0 || options.max_port >= EVTCHN_FIFO_NR_CHANNELS) {
    return UsageError("the highest event channel must be between 1 and {}, not {}",
                      EVTCHN_FIFO_NR_CHANNELS - 1, options.max_port);
  }
  if (options.fifo && options.kernel != nullptr) {
    return UsageError("event channels that the kernel delivers follow the 2-level ABI only");
  }
  if (shared_info.size() < kPageSize) {
    return HostError("the shared_info page has only {} bytes", shared_info.size());
  }
  return std::unique_ptr<EventChannels>(new EventChannels(
      std::make_unique<EventChannelState>(memory, shared_info, sink, metrics, options)));
}

EventChannels::EventChannels(std::unique_ptr<EventChannelState> state) : state_(std::move(state)) {}

EventChannels::~EventChannels() = default;

void EventChannels::SetObserver(PortObserver* observer) {
  const MutexLock topology(state_->topology);
  std::vector<Binding> bound;
  {
    const MutexLock lock(state_->lock);
    for (std::uint32_t number = 1; number < state_->guest.size(); ++number) {
      if (auto binding = state_->BindingOf(number)) {
        bound.push_back(std::move(*binding));
      }
    }
  }
  for (const Binding& binding : bound) {
    state_->TellUnbound(binding);
  }
  state_->observer = observer;
  for (const Binding& binding : bound) {
    state_->TellBound(binding);
  }
}

void EventChannels::SetGuestWidth(GuestWidth width) {
  const MutexLock lock(state_->lock);
  state_->infos.SetWidth(width);
}

XenResult<void> EventChannels::SetVcpuInfo(std::uint32_t vcpu, std::span<std::byte> vcpu_info) {
  {
    const MutexLock lock(state_->lock);
    if (!state_->VcpuExists(vcpu)) {
      return XenError(XEN_ENOENT);
    }
    if (vcpu_info.empty()) {
      return XenError(XEN_EINVAL);
    }
    const std::size_t alignment =
        state_->infos.width() == GuestWidth::k64 ? alignof(vcpu_info_t) : alignof(std::uint32_t);
    // Only the address as a number is looked at here.
    const auto address = reinterpret_cast<std::uintptr_t>(vcpu_info.data());
    if (vcpu_info.size() != VcpuInfos::kSize || address % alignment != 0) {
      return XenError(XEN_ENXIO);
    }
    if (state_->infos.Moved(vcpu)) {
      return XenError(XEN_EINVAL);
    }
    state_->infos.Move(vcpu, vcpu_info.data());
    static_cast<void>(state_->infos.MarkPending(vcpu));
  }
  // Even if a copied pending flag was set: its interrupt may have come while nobody looked here.
  state_->sink.Raise(vcpu);
  return {};
}

void EventChannels::MarkAll(std::uint32_t vcpu) {
  {
    const MutexLock lock(state_->lock);
    if (!state_->VcpuExists(vcpu) || state_->infos.At(vcpu).empty()) {
      return;
    }
    state_->infos.SelectAll(vcpu);
    static_cast<void>(state_->infos.MarkPending(vcpu));
  }
  state_->sink.Raise(vcpu);
}

void EventChannels::StartOver(std::uint32_t boot_vcpu) {
  VENEER_CHECK(boot_vcpu < state_->options.vcpus);
  VENEER_CHECK(Reset(DOMID_SELF).has_value());
  const MutexLock lock(state_->lock);
  state_->boot_vcpu = boot_vcpu;
  state_->infos.StartOver();
}

std::span<std::byte> EventChannels::VcpuInfo(std::uint32_t vcpu) const {
  const MutexLock lock(state_->lock);
  return state_->VcpuExists(vcpu) ? state_->infos.At(vcpu) : std::span<std::byte>();
}

bool EventChannels::UpcallPending(std::uint32_t vcpu) const {
  const MutexLock lock(state_->lock);
  return state_->VcpuExists(vcpu) && state_->infos.Pending(vcpu);
}

void EventChannels::RaiseIfPending(std::uint32_t vcpu) {
  if (UpcallPending(vcpu)) {
    state_->sink.Raise(vcpu);
  }
}

XenResult<EventChannels::PollOutcome> EventChannels::Poll(
    std::uint32_t vcpu, std::span<const EvtchnPort> ports,
    std::optional<std::uint64_t> deadline_ns) {
  if (ports.size() > kMaxPollPorts) {
    return XenError(XEN_EINVAL);
  }
  const MutexLock lock(state_->lock);
  if (!state_->VcpuExists(vcpu)) {
    return XenError(XEN_ENOENT);
  }
  for (const EvtchnPort port : ports) {
    if (state_->guest.FindInUse(port) == nullptr) {
      return XenError(XEN_EINVAL);
    }
    if (state_->IsPending(port.value)) {
      return PollOutcome::kReady;
    }
  }
  return state_->pollers.Wait(vcpu, ports, deadline_ns, state_->lock);
}

bool EventChannels::IsPending(EvtchnPort port) const {
  const MutexLock lock(state_->lock);
  return state_->guest.FindInUse(port) != nullptr && state_->IsPending(port.value);
}

}  // namespace veneer
