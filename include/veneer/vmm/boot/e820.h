// The guest's physical memory map in the PC's E820 form (ACPI 6.5, chapter 15).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// The values are E820's; Xen's memory map for PVH uses the same ones.
enum class E820Type : std::uint32_t {
  kRam = 1,
  kReserved = 2,
  kAcpiTables = 3,  // the OS may take the memory once it has read the tables
  kAcpiNvs = 4,
};

struct E820Entry {
  Gpa base;
  std::uint64_t size = 0;  // bytes
  E820Type type = E820Type::kRam;

  friend bool operator==(const E820Entry&, const E820Entry&) = default;
};

// Where the extended BIOS data area and, after it, the PC's video memory and ROMs begin: from here
// to 1 MiB nothing is plain RAM for the guest's OS.
inline constexpr Gpa kLegacyAreaBase{0x9fc00};
inline constexpr Gpa kLegacyAreaEnd{0x100000};

// The map of `ram` with the legacy area reserved and `special` laid over both, whether there is RAM
// beneath or not; where entries of `special` overlap, the later one wins. The result is ascending,
// disjoint, and has no two neighbours that could be one. Entries of size 0 are dropped, and those
// that run past the end of the address space are cut there.
std::vector<E820Entry> BuildE820(std::span<const GuestMemory::Range> ram,
                                 std::span<const E820Entry> special);

}  // namespace veneer
