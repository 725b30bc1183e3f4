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

std::vector<GuestMemory::Range> WithRoom(std::span<const GuestMemory::Range> ram,
                                         std::uint64_t growth, unsigned address_bits) {
  // For what a guest has put there besides, and for the gap before the first whole piece.
  constexpr std::uint64_t kSpare = std::uint64_t{1} << 30U;
  std::vector<GuestMemory::Range> ranges(ram.begin(), ram.end());
  if (ranges.back().base < kPciHoleEnd) {
    GuestMemory::Range& low = ranges.back();
    low.room = kPciHoleBase.value - low.base.value - low.size;
    ranges.push_back({kPciHoleEnd, 0});
  }
  GuestMemory::Range& high = ranges.back();
  const std::uint64_t begin = high.base.value + high.size;
  const std::uint64_t end = std::uint64_t{1} << std::min(address_bits, kAddressBits);
  const std::uint64_t wanted = PiecesOf(growth) * GuestMemory::kPieceSize + kSpare;
  high.room = begin < end ? std::min(wanted, end - begin) : 0;
  if (high.size + high.room == 0) {
    ranges.pop_back();
  }
  return ranges;
}

std::uint64_t PiecesOf(std::uint64_t growth) {
  return (growth + GuestMemory::kPieceSize - 1) / GuestMemory::kPieceSize;
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
