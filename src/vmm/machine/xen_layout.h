// Where a Xen guest finds what is not RAM, and the numbers that machine and guest agree on.
#pragma once

#include "veneer/devices/pci/pci_host.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/xencompat/entry/ports.h"

namespace veneer {

// Pages shared with the guest that its memory map calls reserved, as Xen's own toolstack places
// them: the xenstore ring and the console ring.
inline constexpr GuestMemory::Range kSpecialPages{Gpa{0xfeffc000}, 4 * kPageSize};
inline constexpr Gfn kStorePage{0xfeffc};
inline constexpr Gfn kConsolePage{0xfefff};

// The platform device's second BAR, into which Linux maps its grant table. Backed by memory of its
// own, so that pages of ours can be laid over it. It is the machine's only memory BAR, so that it
// gets the first place; a guest that moves it finds no memory there.
inline constexpr GuestMemory::Range kGrantArea{Gpa{PciHost::kFirstMemoryBar},
                                               std::uint64_t{16} << 20U};
inline constexpr unsigned kPlatformSlot = 2;

// No PC device uses these.
inline constexpr HypercallPorts kHypercallPorts{.call = 0xee, .send = 0xef};

}  // namespace veneer
