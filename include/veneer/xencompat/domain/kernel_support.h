// What KVM's own Xen support does of the domain's work, where it is in use.
#pragma once

#include <optional>

#include "veneer/vmm/memory/gpa.h"
#include "veneer/xencompat/abi/xen_headers.h"
#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

// Implemented by the machine. Calls come from vCPU threads; no lock of the Xen areas is held. vCPU
// numbers are always valid. What is asked for another vCPU than the caller's takes effect before
// that vCPU runs again.
class KernelSupport {
 public:
  virtual ~KernelSupport() = default;

  // The width of what is shared with the guest.
  virtual void SetWidth(GuestWidth width) = 0;
  // The vCPU's vcpu_info, clock included, is at `info` from now on, in RAM. Everything is marked
  // pending there once the kernel knows (EventChannels::MarkAll).
  virtual void MoveVcpuInfo(unsigned vcpu, Gpa info) = 0;

  // The kernel keeps the guest's copy of the run state at `area`, which may cross a page; nothing:
  // no more. False if the kernel does not do that.
  virtual bool KeepRunstate(unsigned vcpu, std::optional<Gpa> area) = 0;
  virtual void FlagRunstateUpdates(bool on) = 0;
  // As of now, if the kernel keeps it and the caller is the vCPU's own thread.
  virtual std::optional<vcpu_runstate_info_t> ReadRunstate(unsigned vcpu) = 0;
  // The same for a second vcpu_time_info, which must not cross a page.
  virtual bool KeepSecondaryTime(unsigned vcpu, std::optional<Gpa> area) = 0;
};

}  // namespace veneer
