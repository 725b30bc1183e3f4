#include "veneer/vmm/boot/memory_layout.h"

#include <algorithm>

namespace veneer {

Result<std::vector<GuestMemory::Range>> MemoryLayout(std::uint64_t bytes) {
  if (bytes < kMinMemoryBytes) {
    return UsageError("{} MiB of memory are too little: a guest needs at least {} MiB",
                      bytes >> 20U, kMinMemoryBytes >> 20U);
  }
  if (bytes > kMaxMemoryBytes) {
    return UsageError("{} GiB of memory are too much: a guest can have up to {} GiB", bytes >> 30U,
                      kMaxMemoryBytes >> 30U);
  }
  if (bytes % kPageSize != 0) {
    return UsageError("{} bytes of memory are not a whole number of {}-byte pages", bytes,
                      kPageSize);
  }
  const std::uint64_t low = std::min(bytes, kPciHoleBase.value);
  std::vector<GuestMemory::Range> ranges{{Gpa{0}, low}};
  if (bytes > low) {
    ranges.push_back({kPciHoleEnd, bytes - low});
  }
  return ranges;
}

Gpa EndOfLowRam(std::span<const GuestMemory::Range> ram) {
  Gpa end{0};
  for (const GuestMemory::Range& range : ram) {
    if (range.base < kPciHoleBase) {
      end = range.base + range.size;
    }
  }
  return end;
}

}  // namespace veneer
