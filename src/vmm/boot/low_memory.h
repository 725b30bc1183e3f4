// Who uses what in the guest's first MiB before and at the kernel's first instruction.
//
//   from     to       what
//   0x00000  0x00fff  real-mode vectors and BIOS data, left zero
//   0x01000  0x01fff  GDT
//   0x02000  0x02fff  boot_params, the "zero page" of Linux's boot protocol
//   0x03000  0x08fff  page tables: PML4, PDPT, four page directories
//   0x09000  0x09fff  PVH start info with its module list and memory map
//   0x0a000  0x0afff  a first stack
//   0x20000  0x2ffff  command line
//   0x9fc00  0xfffff  the PC's legacy area: reserved in the E820 map; MP, ACPI and SMBIOS tables go
//   there
//
// All of it but the last line is plain RAM in the memory map: the kernel is done with it when it
// hands out low memory.
#pragma once

#include <cstdint>

#include "veneer/vmm/memory/gpa.h"

namespace veneer {

inline constexpr Gpa kGdtBase{0x1000};
inline constexpr Gpa kBootParamsBase{0x2000};
inline constexpr Gpa kPageTableBase{0x3000};
inline constexpr Gpa kStartInfoBase{0x9000};
inline constexpr Gpa kBootStackTop{0xb000};
inline constexpr Gpa kCmdlineBase{0x20000};
inline constexpr std::uint64_t kCmdlineBytes = 0x10000;  // with the final NUL
inline constexpr Gpa kBootDataEnd{0x30000};
inline constexpr Gpa kLowMemoryEnd{0x100000};

}  // namespace veneer
