// Linux's boot_params, the "zero page" (Documentation/arch/x86/zero-page.rst, <asm/bootparam.h>).
#pragma once

#include "boot_info.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// Writes it to kBootParamsBase and says so. UsageError for a memory map that is too long.
Result<Gpa> WriteLinuxParams(const BootInfo& info, GuestMemory& memory);

}  // namespace veneer
