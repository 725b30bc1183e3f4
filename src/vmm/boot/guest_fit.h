// Whether the guest has memory where a kernel wants to be.
#pragma once

#include <cstdint>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// UsageError if any of `size` bytes from `base` on lie in the first MiB, which boot structures and
// firmware tables need, or outside RAM.
Result<void> CheckKernelFits(Gpa base, std::uint64_t size, const GuestMemory& memory);

}  // namespace veneer
