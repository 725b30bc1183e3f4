// GDT, page tables and stack for the kernel's first instructions.
#pragma once

#include "veneer/boot/boot_loader.h"
#include "veneer/boot/kernel_image.h"
#include "veneer/memory/gpa.h"
#include "veneer/memory/guest_memory.h"

namespace veneer {

// Writes the tables into low memory and says how to enter `kernel`, `info` being its boot
// structure.
BootEntry WriteEntryState(const LoadedKernel& kernel, Gpa info, GuestMemory& memory);

}  // namespace veneer
