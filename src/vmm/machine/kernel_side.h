// A Xen guest's side in the kernel: what KVM's own Xen support does for it, kept in step with what
// the guest asks of Veneer.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "upcalls.h"
#include "vcpu_thread.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/kvm/kernel_xen.h"
#include "veneer/xencompat/domain/kernel_support.h"
#include "veneer/xencompat/evtchn/event_channels.h"

namespace veneer {

// Thread-safe. KVM's attributes of a vCPU are set on that vCPU's thread: the call would wait there
// for the guest to leave KVM.
//
// KVM drops an upcall for a vCPU whose local APIC is still disabled, and asserts no line for INTx.
// So a port has its events delivered inside the kernel only while its vCPU has a vector that KVM
// knows, and whatever changes the vector or the place of the vcpu_info is followed by an upcall of
// Veneer's own, which is tried until it arrives.
class KernelSide final : public PortObserver, public KernelSender, public KernelSupport {
 public:
  // All outlive it.
  struct Parts {
    KernelXen& kernel;
    Upcalls& upcalls;
    const std::vector<std::unique_ptr<VcpuThread>>& vcpus;
    Metrics& metrics;
    std::function<EventChannels&()> events;
    std::function<std::uint64_t()> guest_ns;  // the guest's clock
    std::uint32_t flags = 0;                  // KvmCapabilities::xen_flags
    bool timers = true;                       // KVM may answer timer hypercalls
  };
  KernelSide(Parts parts, unsigned vcpus);

  // Makes KVM intercept hypercalls. Before anything else.
  Result<void> Enable(std::uint32_t hypercall_msr, std::uint32_t version);
  // Before the vCPU runs: its number, and where its vcpu_info is at first.
  Result<void> Prepare(Vcpu& vcpu, std::span<std::byte> vcpu_info);

  // The vCPU's own upcall vector.
  void SetVector(unsigned vcpu, std::uint8_t vector);
  // The whole guest's vector without an EOI; 0: none.
  void SetCallbackVector(std::uint8_t vector);

  // Another guest begins in the same machine: what the one before asked for is no more, and every
  // vCPU's vcpu_info is where `EventChannels` says. Its ports are closed already; no vCPU runs.
  void StartOver();

  // PortObserver
  void OnInterdomainBound(EvtchnPort guest_port, int event_fd) override;
  void OnIpiBound(EvtchnPort guest_port, std::uint32_t vcpu) override;
  void OnTimerBound(EvtchnPort guest_port, std::uint32_t vcpu) override;
  void OnUnbound(EvtchnPort guest_port) override;

  // KernelSender
  bool Send(EvtchnPort port, std::uint32_t vcpu) override;

  // KernelSupport
  void SetWidth(GuestWidth width) override;
  void MoveVcpuInfo(unsigned vcpu, Gpa info) override;
  bool KeepRunstate(unsigned vcpu, std::optional<Gpa> area) override;
  void FlagRunstateUpdates(bool on) override;
  std::optional<vcpu_runstate_info_t> ReadRunstate(unsigned vcpu) override;
  bool KeepSecondaryTime(unsigned vcpu, std::optional<Gpa> area) override;

 private:
  struct Ipi {
    std::uint32_t vcpu = 0;
    bool routed = false;
  };
  struct Timer {
    EvtchnPort bound;   // what the guest has bound
    EvtchnPort kernel;  // what KVM has been told
  };
  // Sets an attribute on the vCPU's thread and then does `then`.
  void Set(unsigned vcpu, XenAttribute attribute, std::uint64_t value,
           std::function<void()> then = {});
  // With mutex_ held: brings what KVM does for `vcpu` in line with its vectors.
  void Update(std::uint32_t vcpu) REQUIRES(mutex_);
  bool HasVector(std::uint32_t vcpu) const REQUIRES(mutex_) {
    return vectors_[vcpu] != 0 || callback_vector_ != 0;
  }
  void Note(const Result<void>& result);

  const Parts parts_;
  Counter& refused_;
  LogLimiter limiter_;
  Mutex mutex_;
  std::vector<std::uint8_t> vectors_ GUARDED_BY(mutex_);
  std::uint8_t callback_vector_ GUARDED_BY(mutex_) = 0;
  std::set<EvtchnPort> event_fds_ GUARDED_BY(mutex_);
  std::map<EvtchnPort, Ipi> ipis_ GUARDED_BY(mutex_);
  std::vector<Timer> timers_ GUARDED_BY(mutex_);
};

}  // namespace veneer
