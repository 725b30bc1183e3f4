// HYPERVISOR_grant_table_op (xen/grant_table.h). Arguments: operation, array of structures, count.
//
// The call itself fails for a bad pointer or count only; what became of each element is in its
// status field.
#include <algorithm>
#include <limits>

#include "arguments.h"
#include "table.h"
#include "veneer/xencompat/gnttab/grant_table.h"

namespace veneer {
namespace {

constexpr std::uint32_t kPerSlice = 64;
constexpr std::size_t kArray = 1;
constexpr std::size_t kCount = 2;

bool CountIsSane(const Call& call) {
  return call.Arg32(kCount) <= static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max());
}

// Carries out `kHandler(Call&, T&)` on each element, a slice at a time, and writes it back.
template <auto kHandler>
CallResult Each(Call& call) {
  using T = typename HandlerArgument<decltype(kHandler)>::Type;
  if (!CountIsSane(call)) {
    return Errno(XEN_EINVAL);
  }
  const std::uint32_t count = call.Arg32(kCount);
  const std::uint32_t slice = std::min(count, kPerSlice);
  std::uint64_t address = call.frame.args[kArray];
  for (std::uint32_t i = 0; i < slice; ++i) {
    T op{};
    if (!CopyIn(call, address, op)) {
      return Errno(XEN_EFAULT);
    }
    if (const CallResult result = kHandler(call, op); result.value < 0) {
      return result;
    }
    if (!CopyOut(call, address, op)) {
      return Errno(XEN_EFAULT);
    }
    address += WireSize<T>(call);
  }
  if (slice == count) {
    return 0;
  }
  call.frame.args[kArray] = address;
  call.frame.args[kCount] = count - slice;
  return CallResult::Again();
}

// For operations that Xen allows one element at a time.
template <auto kHandler>
CallResult One(Call& call) {
  return call.Arg32(kCount) == 1 ? InOut<kHandler>(call) : Errno(XEN_EINVAL);
}

constexpr std::int16_t Number(GrantStatus status) { return static_cast<std::int16_t>(status); }

CallResult QuerySize(Call& call, gnttab_query_size_t& op) {
  const GrantTable::Size size = call.domain.grants().QuerySize(op.dom);
  op.status = Number(size.status);
  op.nr_frames = size.frames;
  op.max_nr_frames = size.max_frames;
  return 0;
}

CallResult SetupTable(Call& call, GrantSetupTable& op) {
  const GrantTable::FrameList list = call.domain.grants().SetupTable(op.dom, op.nr_frames);
  op.status = Number(list.status);
  for (std::size_t i = 0; i < list.frames.size(); ++i) {
    if (!CopyOutWord(call, op.frame_list, i, list.frames[i])) {
      op.status = GNTST_bad_virt_addr;
      break;
    }
  }
  return 0;
}

CallResult GetStatusFrames(Call& call, GrantStatusFrames& op) {
  const GrantTable::FrameList list = call.domain.grants().GetStatusFrames(op.dom, op.nr_frames);
  op.status = Number(list.status);
  for (std::size_t i = 0; i < list.frames.size(); ++i) {
    if (!call.memory.Write(op.frame_list + i * sizeof(std::uint64_t), BytesOf(list.frames[i]))) {
      op.status = GNTST_bad_virt_addr;
      break;
    }
  }
  return 0;
}

CallResult SetVersion(Call& call, gnttab_set_version_t& op) {
  const XenResult<std::uint32_t> version = call.domain.grants().SetVersion(op.version);
  if (!version) {
    return Errno(version.error());
  }
  op.version = *version;
  return 0;
}

CallResult GetVersion(Call& call, gnttab_get_version_t& op) {
  const XenResult<std::uint32_t> version = call.domain.grants().GetVersion(op.dom);
  if (!version) {
    return Errno(version.error());
  }
  op.version = *version;
  return 0;
}

CallResult Copy(Call& call, gnttab_copy_t& op) {
  call.domain.grants().Copy(op);
  return 0;
}

CallResult MapGrantRef(Call& call, gnttab_map_grant_ref_t& op) {
  call.domain.grants().MapGrantRef(op);
  return 0;
}

CallResult UnmapGrantRef(Call& call, gnttab_unmap_grant_ref_t& op) {
  call.domain.grants().UnmapGrantRef(op);
  return 0;
}

CallResult UnmapAndReplace(Call& call, gnttab_unmap_and_replace_t& op) {
  call.domain.grants().UnmapAndReplace(op);
  return 0;
}

CallResult SwapGrantRef(Call& call, gnttab_swap_grant_ref_t& op) {
  op.status = Number(call.domain.grants().SwapGrantRef(GrantRef{op.ref_a}, GrantRef{op.ref_b}));
  return 0;
}

CallResult CacheFlush(Call& call, gnttab_cache_flush_t& op) {
  return call.domain.grants().CacheFlush(op);
}

constexpr std::uint32_t kNumber = __HYPERVISOR_grant_table_op;
constexpr HypercallRow kRows[] = {
    {kNumber, GNTTABOP_map_grant_ref, "grant_table_op.map_grant_ref", Each<MapGrantRef>},
    {kNumber, GNTTABOP_unmap_grant_ref, "grant_table_op.unmap_grant_ref", Each<UnmapGrantRef>},
    {kNumber, GNTTABOP_setup_table, "grant_table_op.setup_table", One<SetupTable>},
    {kNumber, GNTTABOP_copy, "grant_table_op.copy", Each<Copy>},
    {kNumber, GNTTABOP_query_size, "grant_table_op.query_size", One<QuerySize>},
    {kNumber, GNTTABOP_unmap_and_replace, "grant_table_op.unmap_and_replace",
     Each<UnmapAndReplace>},
    {kNumber, GNTTABOP_set_version, "grant_table_op.set_version", One<SetVersion>},
    {kNumber, GNTTABOP_get_status_frames, "grant_table_op.get_status_frames", One<GetStatusFrames>},
    {kNumber, GNTTABOP_get_version, "grant_table_op.get_version", One<GetVersion>},
    {kNumber, GNTTABOP_swap_grant_ref, "grant_table_op.swap_grant_ref", Each<SwapGrantRef>},
    {kNumber, GNTTABOP_cache_flush, "grant_table_op.cache_flush", Each<CacheFlush>},
};

}  // namespace

std::span<const HypercallRow> GrantTableRows() { return kRows; }

}  // namespace veneer
