// A vCPU's CPUID table and its registers at the kernel's entry.
#pragma once

#include "veneer/boot/boot_loader.h"
#include "veneer/kvm/cpuid.h"
#include "veneer/kvm/host_probe.h"
#include "veneer/kvm/kvm_system.h"
#include "veneer/kvm/vcpu.h"

namespace veneer {

// What vCPU `vcpu` of `vcpus` shall see, starting from what KVM supports.
CpuidTable GuestCpuid(const CpuidTable& supported, const KvmCapabilities& capabilities,
                      const HostProfile& host, unsigned vcpu, unsigned vcpus);

// Puts the boot CPU at the kernel's first instruction.
Result<void> EnterKernel(Vcpu& vcpu, const BootEntry& entry);

}  // namespace veneer
