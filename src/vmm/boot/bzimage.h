// The setup header of a bzImage (Linux's Documentation/arch/x86/boot.rst).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "byte_source.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/boot/kernel_image.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// Bytes from the start of the file that tell what it is.
inline constexpr std::size_t kBzImageHeadBytes = 0x290;

// True for a file that starts like an x86 Linux kernel with a setup header.
bool HasBzImageMagic(std::span<const std::byte> head);

// As LoadKernel(): unpacks the kernel and loads the ELF file inside, or loads it as it is for
// KernelEntry::kDecompressor.
Result<LoadedKernel> LoadBzImage(ByteSource& source, KernelEntry entry, GuestMemory& memory);

}  // namespace veneer
