// LoadKernel() for input from anywhere.
#pragma once

#include "byte_source.h"
#include "veneer/base/result.h"
#include "veneer/boot/kernel_image.h"
#include "veneer/memory/guest_memory.h"

namespace veneer {

// As LoadKernel(), but errors do not name the file.
Result<LoadedKernel> LoadKernelFrom(ByteSource& source, KernelEntry entry, GuestMemory& memory);

}  // namespace veneer
