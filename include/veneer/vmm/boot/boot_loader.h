// Everything that must be in guest memory before a kernel's first instruction.
//
// Follows Linux's x86 boot protocol and Xen's PVH boot ABI (<xen/arch-x86/hvm/start_info.h>).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/boot/e820.h"
#include "veneer/vmm/boot/kernel_image.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

struct BootConfig {
  std::string kernel;                // path
  std::vector<std::string> initrds;  // paths, to be one behind the other
  std::string cmdline;
  KernelEntry entry = KernelEntry::kAuto;
  // Guest address of the ACPI RSDP, if there are ACPI tables.
  std::optional<Gpa> rsdp;
  // What of the memory is the guest's RAM; the rest (device memory) stays out of its memory map.
  // Empty: all of it.
  std::vector<GuestMemory::Range> ram;
  // Ranges that are not plain RAM beside the PC's legacy area: ACPI tables, device memory. None may
  // begin below 0x30000, where the boot structures are.
  std::vector<E820Entry> special;
};

// The boot CPU's state at the first instruction. Whatever is not named here is as after reset, with
// interrupts off; RFLAGS is 2.
struct BootEntry {
  // kLinux64 and kPvh: flat segments from base 0 with a limit of 4 GiB, code in CS, data in DS, ES,
  // FS, GS and SS; a busy TSS with base 0 and limit 0x67 in TR; selectors as below; CR0.PE on.
  //
  // kLinux64: a 64-bit CS, CR0.PG, CR4.PAE, EFER.LME and EFER.LMA on, CR3 = page_table, RSI = info.
  //
  // kPvh: a 32-bit CS, paging off, EBX = info.
  //
  // kReset: as after reset, but for CS, whose base lets RIP lead to the BIOS below 1 MiB; nothing
  // else counts.
  BootProtocol protocol = BootProtocol::kLinux64;
  std::uint64_t rip = 0;
  std::uint64_t rsp = 0;
  Gpa info;        // boot_params or hvm_start_info
  Gpa page_table;  // only Linux64: identity map of the first 4 GiB
  Gpa gdt_base;
  std::uint16_t gdt_limit = 0;  // bytes - 1
  std::uint16_t code_selector = 0;
  std::uint16_t data_selector = 0;
  std::uint16_t task_selector = 0;
};

struct PreparedBoot {
  BootEntry entry;
  LoadedKernel kernel;
  // What is entered unpacks or loads another kernel, which nobody outside the guest has seen.
  bool starts_another = false;
  std::vector<E820Entry> e820;
  Gpa initrd;
  std::uint64_t initrd_size = 0;  // bytes; 0: none
};

// Loads kernel and initrd and writes command line, memory map, boot structures, page tables and GDT
// into `memory`, which must start at address 0 with at least 1 MiB and be all zero, but for the
// legacy area and what `special` names. UsageError for what the user can mend: the files, the
// command line's length, too little memory.
Result<PreparedBoot> PrepareBoot(const BootConfig& config, GuestMemory& memory);

}  // namespace veneer
