// What a guest's system calls itself: SMBIOS tables, in which Linux's /sys/class/dmi/id and
// dmidecode look. The words are those of Xen's hvmloader, by which programs know a Xen guest.
#pragma once

#include <cstdint>
#include <string>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/uuid.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

struct SmbiosConfig {
  std::string xen_version;  // "4.17"
  Uuid uuid{};              // also the serial number
};

// Where guests search for the entry point that get no pointer.
inline constexpr Gpa kSmbiosDefault{0xf0000};
inline constexpr std::uint64_t kSmbiosLimit = 0x400;  // bytes

// Writes the entry point to `where`, a multiple of 16 below 4 GiB, and behind it the tables.
// UsageError if there is no RAM.
Result<void> WriteSmbios(GuestMemory& memory, Gpa where, const SmbiosConfig& config);

}  // namespace veneer
