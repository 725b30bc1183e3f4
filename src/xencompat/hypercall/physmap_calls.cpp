#include "physmap_calls.h"

#include <algorithm>
#include <limits>

#include "arguments.h"

namespace veneer {
namespace {

constexpr std::uint32_t kBatchPerSlice = 64;

// All-ones in the caller's own width: no frame.
bool IsNoFrame(const Call& call, std::uint64_t gpfn) {
  return gpfn == (call.Narrow() ? std::numeric_limits<std::uint32_t>::max()
                                : std::numeric_limits<std::uint64_t>::max());
}

XenResult<void> MapOne(XenDomain& domain, std::uint32_t space, std::uint64_t index, Gfn gfn) {
  switch (space) {
    case XENMAPSPACE_shared_info:
      return domain.MapSharedInfo(index, gfn);
    case XENMAPSPACE_grant_table:
      return domain.physmap().MapGrantFrame(index, gfn);
    case XENMAPSPACE_gmfn:
    case XENMAPSPACE_gmfn_range:
      // RAM keeps its address: a memory slot of KVM's cannot be permuted page by page.
      return XenError(XEN_EOPNOTSUPP);
    case XENMAPSPACE_gmfn_foreign:
      // There is one other domain, and it shares no memory but by grants.
      return XenError(XEN_EPERM);
    case XENMAPSPACE_dev_mmio:
      return XenError(XEN_EACCES);
    default:
      return XenError(XEN_EINVAL);
  }
}

bool Fits16Bits(std::uint64_t extent) {
  return extent <= std::numeric_limits<std::uint16_t>::max();
}

CallResult BatchSlice(Call& call, const PhysmapBatch& batch, std::uint64_t extent) {
  const std::uint64_t stop = std::min<std::uint64_t>(batch.size, extent + kBatchPerSlice);
  for (; extent < stop; ++extent) {
    std::uint64_t index = 0;
    std::uint64_t gpfn = 0;
    if (!CopyInWord(call, batch.idxs, extent, index) ||
        !CopyInWord(call, batch.gpfns, extent, gpfn)) {
      return Errno(XEN_EFAULT);
    }
    if (IsNoFrame(call, gpfn)) {
      return Errno(XEN_EINVAL);
    }
    const auto error =
        static_cast<std::int32_t>(ReturnValue(MapOne(call.domain, batch.space, index, Gfn{gpfn})));
    if (!call.memory.Write(batch.errs + extent * sizeof(error), BytesOf(error))) {
      return Errno(XEN_EFAULT);
    }
  }
  return extent < batch.size ? GoOnAt(call, extent) : CallResult(0);
}

}  // namespace

CallResult GoOnAt(Call& call, std::uint64_t done) {
  const std::uint64_t operation = call.frame.args[0] & ((1U << kMemoryExtentShift) - 1U);
  call.frame.args[0] = operation | (done << kMemoryExtentShift);
  return CallResult::Again();
}

CallResult AddToPhysmap(Call& call) {
  if (!Fits16Bits(StartExtent(call))) {
    return Errno(XEN_EDOM);
  }
  xen_add_to_physmap_t op{};
  if (!CopyIn(call, call.frame.args[1], op)) {
    return Errno(XEN_EFAULT);
  }
  if (op.space == XENMAPSPACE_gmfn_foreign) {
    return Errno(XEN_ENOSYS);  // only the batch has room for the domain
  }
  if (const XenResult<void> self = CheckSelf(op.domid); !self) {
    return self;
  }
  if (IsNoFrame(call, op.gpfn)) {
    return Errno(XEN_EINVAL);
  }
  return MapOne(call.domain, op.space, op.idx, Gfn{op.gpfn});
}

CallResult AddToPhysmapBatch(Call& call) {
  const std::uint64_t extent = StartExtent(call);
  if (!Fits16Bits(extent)) {
    return Errno(XEN_EDOM);
  }
  PhysmapBatch batch{};
  if (!CopyIn(call, call.frame.args[1], batch)) {
    return Errno(XEN_EFAULT);
  }
  if (batch.space == XENMAPSPACE_gmfn_range) {
    return Errno(XEN_EOPNOTSUPP);
  }
  if (const XenResult<void> self = CheckSelf(batch.domid); !self) {
    return self;
  }
  if (batch.space == XENMAPSPACE_dev_mmio) {
    return Errno(XEN_EACCES);
  }
  if (batch.size < extent) {
    return Errno(XEN_EILSEQ);
  }
  if (batch.size == extent) {
    return extent != 0 ? Errno(XEN_EILSEQ) : 0;
  }
  return BatchSlice(call, batch, extent);
}

CallResult RemoveFromPhysmap(Call& call) {
  if (StartExtent(call) != 0) {
    return Errno(XEN_EINVAL);
  }
  xen_remove_from_physmap_t op{};
  if (!CopyIn(call, call.frame.args[1], op)) {
    return Errno(XEN_EFAULT);
  }
  if (const XenResult<void> self = CheckSelf(op.domid); !self) {
    return self;
  }
  return call.domain.physmap().Remove(Gfn{op.gpfn});
}

}  // namespace veneer
