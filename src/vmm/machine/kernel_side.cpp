#include "kernel_side.h"

#include <algorithm>
#include <utility>

#include "veneer/vmm/base/log.h"

namespace veneer {

KernelSide::KernelSide(Parts parts, unsigned vcpus)
    : parts_(std::move(parts)),
      refused_(parts_.metrics.Get("xen.kernel.refused")),
      vectors_(vcpus),
      timers_(vcpus) {}

Result<void> KernelSide::Enable(std::uint32_t hypercall_msr, std::uint32_t version) {
  VENEER_TRY(parts_.kernel.EnableXen(hypercall_msr, version));
  return parts_.kernel.SetXenWidth(true);
}

Result<void> KernelSide::Prepare(Vcpu& vcpu, std::span<std::byte> vcpu_info) {
  // KVM takes addresses of this process as numbers.
  const auto place = reinterpret_cast<std::uint64_t>(vcpu_info.data());
  if (!vcpu.SetXen(XenAttribute::kVcpuId, vcpu.id()) ||
      !vcpu.SetXen(XenAttribute::kVcpuInfoHost, place)) {
    return HostError("KVM's Xen support does not take vCPU {}; try --kvm-xen off", vcpu.id());
  }
  return {};
}

void KernelSide::Note(const Result<void>& result) {
  if (!result) {
    refused_.Add();
    LogDebug("{}", result.error().message);
  }
}

void KernelSide::Set(unsigned vcpu, XenAttribute attribute, std::uint64_t value,
                     std::function<void()> then) {
  const auto set = [this, attribute, value, then = std::move(then)](Vcpu& target) {
    if (!target.SetXen(attribute, value)) {
      refused_.Add();
      LogGuest(limiter_, "KVM's Xen support does not take {:#x} for vCPU {} (attribute {})", value,
               target.id(), static_cast<int>(attribute));
    }
    if (then) {
      then();
    }
  };
  parts_.vcpus[vcpu]->Post(VcpuTask::kXenAttribute, set, static_cast<unsigned>(attribute));
}

void KernelSide::SetVector(unsigned vcpu, std::uint8_t vector) {
  // KVM may have marked events meanwhile, and interrupted nobody.
  Set(vcpu, XenAttribute::kUpcallVector, vector,
      [this, vcpu] { parts_.events().RaiseIfPending(vcpu); });
  const MutexLock lock(mutex_);
  vectors_[vcpu] = vector;
  Update(vcpu);
}

void KernelSide::SetCallbackVector(std::uint8_t vector) {
  const MutexLock lock(mutex_);
  Note(parts_.kernel.SetXenCallbackVector(vector));
  callback_vector_ = vector;
  for (std::uint32_t vcpu = 0; vcpu < vectors_.size(); ++vcpu) {
    Update(vcpu);
  }
}

void KernelSide::StartOver() {
  const MutexLock lock(mutex_);
  Note(parts_.kernel.SetXenCallbackVector(0));
  Note(parts_.kernel.SetXenWidth(true));
  callback_vector_ = 0;
  for (std::uint32_t vcpu = 0; vcpu < vectors_.size(); ++vcpu) {
    vectors_[vcpu] = 0;
    Set(vcpu, XenAttribute::kUpcallVector, 0);
    Set(vcpu, XenAttribute::kTimeInfo, kNowhere);
    if ((parts_.flags & kXenFlagRunstate) != 0) {
      Set(vcpu, XenAttribute::kRunstate, kNowhere);
    }
    if (const auto place = parts_.events().VcpuInfo(vcpu); !place.empty()) {
      // KVM takes addresses of this process as numbers.
      Set(vcpu, XenAttribute::kVcpuInfoHost, reinterpret_cast<std::uint64_t>(place.data()));
    }
    Update(vcpu);
  }
  if ((parts_.flags & kXenFlagRunstateUpdateFlag) != 0) {
    Note(parts_.kernel.SetXenRunstateUpdateFlag(false));
  }
}

void KernelSide::Update(std::uint32_t vcpu) {
  const bool deliverable = HasVector(vcpu);
  for (auto& [port, ipi] : ipis_) {
    if (ipi.vcpu != vcpu || ipi.routed == deliverable) {
      continue;
    }
    const Result<void> done = deliverable ? parts_.kernel.RouteXenPortToVcpu(port.value, vcpu)
                                          : parts_.kernel.UnrouteXenPort(port.value);
    Note(done);
    ipi.routed = deliverable && done;
  }
  Timer& timer = timers_[vcpu];
  const EvtchnPort wanted = deliverable && parts_.timers ? timer.bound : EvtchnPort{};
  if (wanted != timer.kernel) {
    timer.kernel = wanted;
    Set(vcpu, XenAttribute::kTimerPort, wanted.value);
  }
}

void KernelSide::OnInterdomainBound(EvtchnPort guest_port, int event_fd) {
  const MutexLock lock(mutex_);
  const Result<void> routed = parts_.kernel.RouteXenPortToEventFd(guest_port.value, event_fd);
  Note(routed);
  if (routed) {
    event_fds_.insert(guest_port);
  }
}

void KernelSide::OnIpiBound(EvtchnPort guest_port, std::uint32_t vcpu) {
  const MutexLock lock(mutex_);
  ipis_[guest_port] = Ipi{.vcpu = vcpu};
  Update(vcpu);
}

void KernelSide::OnTimerBound(EvtchnPort guest_port, std::uint32_t vcpu) {
  const MutexLock lock(mutex_);
  timers_[vcpu].bound = guest_port;
  Update(vcpu);
}

void KernelSide::OnUnbound(EvtchnPort guest_port) {
  const MutexLock lock(mutex_);
  bool routed = event_fds_.erase(guest_port) > 0;
  if (const auto ipi = ipis_.find(guest_port); ipi != ipis_.end()) {
    routed |= ipi->second.routed;
    ipis_.erase(ipi);
  }
  if (routed) {
    Note(parts_.kernel.UnrouteXenPort(guest_port.value));
  }
  for (std::uint32_t vcpu = 0; vcpu < timers_.size(); ++vcpu) {
    if (timers_[vcpu].bound == guest_port) {
      timers_[vcpu].bound = {};
      Update(vcpu);
    }
  }
}

bool KernelSide::Send(EvtchnPort port, std::uint32_t vcpu) {
  const Result<void> sent = parts_.kernel.SendXenEvent(port.value, vcpu);
  Note(sent);
  if (sent) {
    parts_.upcalls.OnKernelSend(vcpu);
  }
  return sent.has_value();
}

void KernelSide::SetWidth(GuestWidth width) {
  Note(parts_.kernel.SetXenWidth(width == GuestWidth::k64));
}

void KernelSide::MoveVcpuInfo(unsigned vcpu, Gpa info) {
  Set(vcpu, XenAttribute::kVcpuInfo, info.value, [this, vcpu] { parts_.events().MarkAll(vcpu); });
}

bool KernelSide::KeepRunstate(unsigned vcpu, std::optional<Gpa> area) {
  if ((parts_.flags & kXenFlagRunstate) == 0) {
    return false;
  }
  Set(vcpu, XenAttribute::kRunstate, area ? area->value : kNowhere);
  return true;
}

void KernelSide::FlagRunstateUpdates(bool on) {
  if ((parts_.flags & kXenFlagRunstateUpdateFlag) != 0) {
    Note(parts_.kernel.SetXenRunstateUpdateFlag(on));
  }
}

std::optional<vcpu_runstate_info_t> KernelSide::ReadRunstate(unsigned vcpu) {
  VcpuThread& thread = *parts_.vcpus[vcpu];
  if ((parts_.flags & kXenFlagRunstate) == 0 || !thread.IsCurrentThread()) {
    return std::nullopt;
  }
  const std::optional<XenRunstate> kept = thread.vcpu().GetXenRunstate();
  if (!kept || kept->state >= kept->time.size()) {
    return std::nullopt;
  }
  vcpu_runstate_info_t info{};
  info.state = static_cast<int>(kept->state);
  info.state_entry_time = kept->state_entry_time;
  std::copy(kept->time.begin(), kept->time.end(), std::begin(info.time));
  // What has passed since KVM brought its accounts up to date belongs to the state of then.
  const std::uint64_t now = parts_.guest_ns();
  if (now > kept->state_entry_time) {
    info.time[kept->state] += now - kept->state_entry_time;
  }
  return info;
}

bool KernelSide::KeepSecondaryTime(unsigned vcpu, std::optional<Gpa> area) {
  Set(vcpu, XenAttribute::kTimeInfo, area ? area->value : kNowhere);
  return true;
}

}  // namespace veneer
