// The wall clock in shared_info: what time it was when the guest's system time was 0 (xen/xen.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veneer/vmm/memory/gpa.h"
#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

// Writes `boot_ns`, nanoseconds since 1970-01-01 UTC, under the version protocol, in the layout of
// `width`. Calls must not overlap.
void WriteWallClock(std::span<std::byte, kPageSize> shared_info, GuestWidth width,
                    std::uint64_t boot_ns);

}  // namespace veneer
