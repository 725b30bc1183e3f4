// Xen's hvm_start_info, version 1 (<xen/arch-x86/hvm/start_info.h>).
#pragma once

#include "boot_info.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// Writes it with what it points to into the page at kStartInfoBase and says so. UsageError for a
// memory map that is too long.
Result<Gpa> WritePvhInfo(const BootInfo& info, GuestMemory& memory);

}  // namespace veneer
