// Makes the hypercall instructions of kernels without a hypercall page leave through an I/O port.
#pragma once

#include <cstdint>
#include <span>

#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/boot/kernel_image.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// Patches what was loaded by us. Returns how many sites were rewritten: 0 or 2.
unsigned PatchLoadedKernel(GuestMemory& memory, std::span<const LoadedSegment> segments);

// Patches a Linux kernel that has just unpacked itself and runs in its own page tables: looks
// through the range of addresses that 64-bit Linux uses for its text. On the vCPU's thread.
unsigned PatchRunningKernel(GuestMemory& memory, Vcpu& vcpu);

}  // namespace veneer
