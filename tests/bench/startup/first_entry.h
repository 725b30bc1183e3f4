// One start of a VMM, up to the moment it first enters its guest.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "process_memory.h"
#include "veneer/vmm/base/result.h"

namespace veneer::bench {

struct FirstEntry {
  std::uint64_t cpu_ns = 0;  // user and system, all threads, since exec
  MemoryMap memory;
};

// Starts `argv` and stops it for good at the first KVM_RUN after it has made a VM with interrupt
// controllers; a probe guest without them does not count.
Result<FirstEntry> MeasureFirstEntry(const std::vector<std::string>& argv);

}  // namespace veneer::bench
