// Kernel files: what is in them and how they get into guest memory.
//
// Follows Linux's x86 boot protocol (Documentation/arch/x86/boot.rst), the ELF specification, and
// Xen's ELF notes (<xen/elfnote.h>).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// The way into the kernel that is asked for.
enum class KernelEntry {
  kAuto,          // the ELF's 64-bit entry; the PVH entry if the ELF is a 32-bit one
  kPvh,           // the entry named by the ELF note XEN_ELFNOTE_PHYS32_ENTRY
  kDecompressor,  // a bzImage's own 64-bit entry: the guest unpacks itself
};

// The protocol that an entry point follows.
enum class BootProtocol {
  kLinux64,  // long mode, RSI = boot_params
  kPvh,      // 32-bit protected mode without paging, EBX = hvm_start_info
  kReset,    // real mode, where a PC's processor begins after a reset
};

// A piece of the kernel in guest memory.
struct LoadedSegment {
  Gpa base;
  std::uint64_t file_size = 0;    // bytes that came from the file
  std::uint64_t memory_size = 0;  // bytes in all; the rest is zero-initialised data
  bool executable = false;
};

// What a bzImage says about itself, or the defaults for a plain ELF file.
struct KernelLimits {
  std::uint32_t cmdline_max = 2047;  // bytes without the final NUL
  Gpa initrd_last{0x7fffffff};       // highest address that an initrd's last byte may have
};

struct LoadedKernel {
  BootProtocol protocol = BootProtocol::kLinux64;
  bool is_64bit = true;  // whether the kernel's code is
  Gpa entry;
  std::vector<LoadedSegment> segments;  // ascending, disjoint
  // First address past everything the kernel needs before it manages memory itself.
  Gpa end;
  KernelLimits limits;
  // The setup header as found at 0x1f1 of a bzImage, cut to the length it states; empty for ELF.
  std::vector<std::byte> setup_header;
  // For the log: "ELF vmlinux", "bzImage (gzip)", ...
  std::string description;
};

// Puts the kernel file at `path` into `memory`, which must be all zero where the kernel goes:
// neither uninitialised data nor pages of zeros in the file are written. Nothing of the kernel may
// lie in the first MiB. On error the memory may be partly written. UsageError names the file and
// what is wrong with it.
Result<LoadedKernel> LoadKernel(const std::string& path, KernelEntry entry, GuestMemory& memory);

}  // namespace veneer
