// KVM's own Xen support (KVM_CAP_XEN_HVM): hypercalls that KVM intercepts, and events, timers and
// polls that it deals with itself (Linux, Documentation/virt/kvm/api.rst, KVM_XEN_HVM_CONFIG and
// following). It speaks the 2-level event channel ABI only.
//
// What belongs to the whole machine is here; what belongs to one vCPU is Vcpu::SetXen().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veneer/vmm/base/result.h"

namespace veneer {

// KVM_XEN_HVM_CONFIG_* bits of KvmCapabilities::xen_flags that Veneer looks at.
inline constexpr std::uint32_t kXenFlagIntercept = 1U << 1U;
inline constexpr std::uint32_t kXenFlagRunstate = 1U << 3U;
inline constexpr std::uint32_t kXenFlagEventSend = 1U << 5U;
inline constexpr std::uint32_t kXenFlagRunstateUpdateFlag = 1U << 6U;
inline constexpr std::uint32_t kXenFlagSharedInfoHva = 1U << 8U;
// All that it takes: pages shared with the guest are named by where Veneer has them, so that they
// stay put wherever the guest lays them.
inline constexpr std::uint32_t kXenFlagsNeeded =
    kXenFlagIntercept | kXenFlagEventSend | kXenFlagSharedInfoHva;

// Implemented by the virtual machine. Thread-safe. Ports are the guest's.
class KernelXen {
 public:
  virtual ~KernelXen() = default;

  // From now on VMCALL and VMMCALL are Xen hypercalls: what KVM does not answer itself leaves as
  // XenHypercallExit. `hypercall_msr` is the MSR by which guests ask for their hypercall page;
  // `version`: major << 16 | minor. Before vCPUs run.
  virtual Result<void> EnableXen(std::uint32_t hypercall_msr, std::uint32_t version) = 0;

  // The width of what is shared with the guest: 64 bits or 32.
  virtual Result<void> SetXenWidth(bool wide) = 0;
  // The shared_info page, as long as the machine; KVM writes the wall clock there.
  virtual Result<void> SetXenSharedInfo(std::span<std::byte> page) = 0;
  // HVM_PARAM_CALLBACK_IRQ's vector, injected without an EOI into every vCPU that has no vector of
  // its own; 0: none.
  virtual Result<void> SetXenCallbackVector(std::uint8_t vector) = 0;
  // VMASST_TYPE_runstate_update_flag.
  virtual Result<void> SetXenRunstateUpdateFlag(bool on) = 0;

  // What EVTCHNOP_send on `port` does inside the kernel; without a route it leaves to userspace.
  // A port has one route at most. `event_fd` stays the caller's.
  virtual Result<void> RouteXenPortToEventFd(std::uint32_t port, int event_fd) = 0;
  // An IPI: the port itself becomes pending on `vcpu`.
  virtual Result<void> RouteXenPortToVcpu(std::uint32_t port, std::uint32_t vcpu) = 0;
  virtual Result<void> UnrouteXenPort(std::uint32_t port) = 0;

  // Makes `port` pending on `vcpu` and does what follows from it: selector, upcall, interrupt,
  // whoever polls.
  virtual Result<void> SendXenEvent(std::uint32_t port, std::uint32_t vcpu) = 0;
};

}  // namespace veneer
