// LoadKernel() for input from anywhere.
#pragma once

#include "byte_source.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/boot/kernel_image.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// As LoadKernel(), but errors do not name the file.
Result<LoadedKernel> LoadKernelFrom(ByteSource& source, KernelEntry entry, GuestMemory& memory);

}  // namespace veneer
