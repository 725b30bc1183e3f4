// The one way by which file contents get into guest memory.
#pragma once

#include <cstdint>

#include "byte_source.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// Copies `length` bytes from `offset` of `source` to `gpa`, all of which must be RAM that is still
// zero: pages that would stay zero are not written, so that they cost neither time nor memory.
Result<void> CopyToGuest(ByteSource& source, std::uint64_t offset, std::uint64_t length,
                         GuestMemory& memory, Gpa gpa);

}  // namespace veneer
