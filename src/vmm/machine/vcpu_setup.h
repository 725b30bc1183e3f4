// A vCPU's CPUID table and its registers at the kernel's entry.
#pragma once

#include "veneer/vmm/boot/boot_loader.h"
#include "veneer/vmm/kvm/host_probe.h"
#include "veneer/vmm/kvm/kvm_system.h"
#include "veneer/vmm/vcpu/cpuid.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// What vCPU `vcpu` of `vcpus` shall see, starting from what KVM supports.
CpuidTable GuestCpuid(const CpuidTable& supported, const KvmCapabilities& capabilities,
                      const HostProfile& host, unsigned vcpu, unsigned vcpus);

// Puts the boot CPU, which is as after its creation, at the first instruction.
Result<void> EnterKernel(Vcpu& vcpu, const BootEntry& entry);

}  // namespace veneer
