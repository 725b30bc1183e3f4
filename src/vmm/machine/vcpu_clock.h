// Has KVM keep a vCPU's Xen clock: its own paravirtual clock has the layout of Xen's
// vcpu_time_info (Linux, Documentation/virt/kvm/x86/msr.rst; Xen, public/xen.h).
#pragma once

#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// Makes sure that KVM keeps the clock at `time`. To be repeated: KVM forgets it when an AP is sent
// INIT (kvm_vcpu_reset), and Linux registers an AP's clock before that. On the vCPU's thread.
void KeepVcpuClock(Vcpu& vcpu, Gpa time);

// Ends that: the memory is somebody else's. On the vCPU's thread.
void LeaveVcpuClock(Vcpu& vcpu);

}  // namespace veneer
