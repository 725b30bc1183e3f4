// What a process occupies, by mapping, from /proc/PID/smaps (Linux, Documentation/filesystems/
// proc.rst).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "veneer/vmm/base/result.h"

namespace veneer::bench {

// Resident bytes: all of them; with pages that several processes share divided by their number; and
// those of this process alone.
struct ResidentBytes {
  std::uint64_t rss = 0;
  std::uint64_t pss = 0;
  std::uint64_t own = 0;
};

// By mapped file, "[heap]", "[stack]", … ; what has no name is "[anonymous]".
using MemoryMap = std::map<std::string, ResidentBytes>;

MemoryMap ParseSmaps(std::string_view text);
Result<MemoryMap> ReadMemory(pid_t pid);

// Everything but the mappings whose name begins with `guest_ram`.
ResidentBytes SumBeside(const MemoryMap& map, std::string_view guest_ram);

}  // namespace veneer::bench
