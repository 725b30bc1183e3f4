// Puts an ELF kernel's segments where their physical addresses say.
#pragma once

#include "byte_source.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/boot/kernel_image.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// As LoadKernel(); `entry` is kAuto or kPvh. Reads `source` forwards, apart from its first 64 KiB.
// A kernel that is linked for a fixed physical address, relocatable or not, needs no relocation
// there.
Result<LoadedKernel> LoadElf(ByteSource& source, KernelEntry entry, GuestMemory& memory);

}  // namespace veneer
