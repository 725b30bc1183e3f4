// GDT, page tables and stack for the kernel's first instructions.
#pragma once

#include "veneer/vmm/boot/boot_loader.h"
#include "veneer/vmm/boot/kernel_image.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// Writes the tables into low memory and says how to enter `kernel`, `info` being its boot
// structure.
BootEntry WriteEntryState(const LoadedKernel& kernel, Gpa info, GuestMemory& memory);

}  // namespace veneer
