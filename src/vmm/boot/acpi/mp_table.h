// The MultiProcessor table that PCs had before ACPI, after Intel's MultiProcessor
// Specification 1.4.
//
// Guests booted with acpi=off find processors and interrupts here. Linux searches for it in any
// case, in three places, and maps the whole searched place anew for every 16 bytes: four million
// instructions, seconds on a host that interprets them. It stops at the first table it finds, so
// there is one early.
#pragma once

#include <array>
#include <cstdint>

#include "veneer/vmm/boot/acpi/acpi_tables.h"

namespace veneer {

// The last KiB of base memory, the second place where guests search; E820 calls it reserved.
inline constexpr Gpa kMpTableBase{0x9fc00};
inline constexpr std::uint64_t kMpTableLimit = 0x400;  // bytes: 32 processors fit

// INTA of the PCI slots from 1 on, as dsdt.asl and devices/pci_host.h have it: ISA interrupts, and
// pins of the IOAPIC.
inline constexpr std::array<std::uint8_t, 7> kPciSlotInterrupts{10, 11, 12, 5, 10, 11, 12};

// Writes the floating pointer and, right after it, the table. UsageError if there is no RAM at
// kMpTableBase or there are too many processors for kMpTableLimit.
Result<void> WriteMpTable(GuestMemory& memory, const AcpiConfig& config);

}  // namespace veneer
