#include "guest_fit.h"

#include "low_memory.h"

namespace veneer {

Result<void> CheckKernelFits(Gpa base, std::uint64_t size, const GuestMemory& memory) {
  if (base < kLowMemoryEnd) {
    return UsageError(
        "the kernel wants to be loaded at {:#x}, in the first MiB, which holds tables and boot "
        "data: it must be linked to a higher physical address",
        base.value);
  }
  if (memory.Pin(base, size).empty()) {
    return UsageError(
        "the kernel does not fit: it needs {} KiB at {:#x}, and the guest has {} MiB of memory; "
        "give it more",
        (size >> 10U) + (size % 1024 != 0 ? 1 : 0), base.value, memory.TotalBytes() >> 20U);
  }
  return {};
}

}  // namespace veneer
