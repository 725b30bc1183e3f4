// Where a guest's RAM lies in its physical address space.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// The last GiB below 4 GiB belongs to PCI devices and the interrupt controllers.
inline constexpr Gpa kPciHoleBase{0xc0000000};
inline constexpr Gpa kPciHoleEnd{0x100000000};

inline constexpr std::uint64_t kMinMemoryBytes = std::uint64_t{32} << 20U;
// The least that KVM's hosts have in practice.
inline constexpr unsigned kAddressBits = 46;
// What these leave beside the hole.
inline constexpr std::uint64_t kMaxMemoryBytes =
    (std::uint64_t{1} << kAddressBits) - (std::uint64_t{1} << 30U);

// The ranges for `bytes` of RAM: up to the hole, the rest from 4 GiB on. UsageError for a size
// outside the limits above or that is no multiple of a page.
Result<std::vector<GuestMemory::Range>> MemoryLayout(std::uint64_t bytes);

// The ranges of `ram`, as MemoryLayout() gives them, with room for `growth` bytes more: behind the
// RAM below the hole, and from 4 GiB on up to the end of `address_bits` address bits. A guest takes
// the lowest gap in its map that is large enough, so each has room for all of it.
std::vector<GuestMemory::Range> WithRoom(std::span<const GuestMemory::Range> ram,
                                         std::uint64_t growth, unsigned address_bits);

// How many pieces (GuestMemory::kPieceSize) `growth` bytes take.
std::uint64_t PiecesOf(std::uint64_t growth);

// Where the RAM below the hole ends, of ascending ranges.
Gpa EndOfLowRam(std::span<const GuestMemory::Range> ram);

}  // namespace veneer
