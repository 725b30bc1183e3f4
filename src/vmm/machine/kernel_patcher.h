// Makes the hypercall instructions of kernels without a hypercall page leave through an I/O port.
#pragma once

#include <optional>

#include "veneer/vmm/boot/kernel_image.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// Patches what was loaded by us. Returns how many sites were rewritten: 0 or 2.
unsigned PatchLoadedKernel(GuestMemory& memory, const LoadedKernel& kernel);

// Patches a Linux kernel that has just unpacked itself. A 64-bit one runs in its own page tables by
// then: looks through the range of addresses that 64-bit Linux uses for its text. A 32-bit one has
// no page tables yet: looks at what lies around the instruction the vCPU is at. Returns how many
// sites were rewritten, or nullopt if no kernel's text is there. On the vCPU's thread.
std::optional<unsigned> PatchRunningKernel(GuestMemory& memory, Vcpu& vcpu);

}  // namespace veneer
