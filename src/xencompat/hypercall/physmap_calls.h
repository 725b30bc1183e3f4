// The operations of HYPERVISOR_memory_op that change what is where (xen/memory.h), and how any of
// its operations goes on after a break.
#pragma once

#include <cstdint>

#include "call.h"

namespace veneer {

// The upper bits of the operation say how many extents have been done.
inline constexpr unsigned kMemoryExtentShift = 6;

inline std::uint64_t StartExtent(const Call& call) {
  return call.frame.args[0] >> kMemoryExtentShift;
}

// Makes a break; the call goes on with extent `done`.
CallResult GoOnAt(Call& call, std::uint64_t done);

// For operations that have no extents: EINVAL if the call pretends to be in the middle of them.
template <Handler kNext>
CallResult NoExtents(Call& call) {
  return StartExtent(call) == 0 ? kNext(call) : Errno(XEN_EINVAL);
}

// For operations that Xen finds by the whole number.
template <Handler kNext>
CallResult WholeCommand(Call& call) {
  return StartExtent(call) == 0 ? kNext(call) : Errno(XEN_ENOSYS);
}

CallResult AddToPhysmap(Call& call);
CallResult AddToPhysmapBatch(Call& call);
CallResult RemoveFromPhysmap(Call& call);

}  // namespace veneer
