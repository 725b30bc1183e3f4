// Argument structures that hold guest addresses or machine words, and their 32-bit layouts
// (<xen/...>, as compiled for i386).
//
// The 64-bit types stand for Xen's own, which declare guest addresses as host pointers; the checks
// below keep them in step. Types without either are used as Xen's headers have them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "call.h"
#include "veneer/xencompat/abi/xen_headers.h"
#include "veneer/xencompat/domain/runstate.h"

namespace veneer {

// xen_memory_reservation
struct MemoryReservation {
  std::uint64_t extent_start;  // array of frame numbers
  std::uint64_t nr_extents;
  std::uint32_t extent_order;
  std::uint32_t mem_flags;
  std::uint16_t domid;
  std::uint16_t padding[3];
};
static_assert(sizeof(MemoryReservation) == sizeof(xen_memory_reservation_t));
static_assert(offsetof(MemoryReservation, domid) == offsetof(xen_memory_reservation_t, domid));

template <>
struct NarrowLayout<MemoryReservation> {
  struct Wire {
    std::uint32_t extent_start, nr_extents, extent_order, mem_flags;
    std::uint16_t domid, padding;
  };
  static MemoryReservation Widen(const Wire& wire) {
    return {wire.extent_start, wire.nr_extents, wire.extent_order, wire.mem_flags, wire.domid, {}};
  }
};

// xen_add_to_physmap
template <>
struct NarrowLayout<xen_add_to_physmap_t> {
  struct Wire {
    std::uint16_t domid, size;
    std::uint32_t space, idx, gpfn;
  };
  static xen_add_to_physmap_t Widen(const Wire& wire) {
    return {wire.domid, wire.size, wire.space, wire.idx, wire.gpfn};
  }
};

// xen_add_to_physmap_batch
struct PhysmapBatch {
  std::uint16_t domid;
  std::uint16_t space;
  std::uint16_t size;
  std::uint16_t extra;  // the foreign domain, or reserved
  std::uint64_t idxs;   // array of words
  std::uint64_t gpfns;  // array of frame numbers
  std::uint64_t errs;   // array of int
};
static_assert(sizeof(PhysmapBatch) == sizeof(xen_add_to_physmap_batch_t));
static_assert(offsetof(PhysmapBatch, errs) == offsetof(xen_add_to_physmap_batch_t, errs));

template <>
struct NarrowLayout<PhysmapBatch> {
  struct Wire {
    std::uint16_t domid, space, size, extra;
    std::uint32_t idxs, gpfns, errs;
  };
  static PhysmapBatch Widen(const Wire& wire) {
    return {wire.domid, wire.space, wire.size, wire.extra, wire.idxs, wire.gpfns, wire.errs};
  }
};

// xen_remove_from_physmap
template <>
struct NarrowLayout<xen_remove_from_physmap_t> {
  struct Wire {
    std::uint16_t domid, padding;
    std::uint32_t gpfn;
  };
  static xen_remove_from_physmap_t Widen(const Wire& wire) { return {wire.domid, wire.gpfn}; }
};

// xen_memory_map
struct MemoryMap {
  std::uint32_t nr_entries;
  std::uint32_t padding;
  std::uint64_t buffer;
};
static_assert(sizeof(MemoryMap) == sizeof(xen_memory_map_t));
static_assert(offsetof(MemoryMap, buffer) == offsetof(xen_memory_map_t, buffer));

template <>
struct NarrowLayout<MemoryMap> {
  struct Wire {
    std::uint32_t nr_entries, buffer;
  };
  static MemoryMap Widen(const Wire& wire) { return {wire.nr_entries, 0, wire.buffer}; }
  static Wire Narrow(const MemoryMap& map) {
    return {map.nr_entries, static_cast<std::uint32_t>(map.buffer)};
  }
};

// An entry of what `buffer` points at: the BIOS's, the same for both widths.
struct [[gnu::packed]] E820Wire {
  std::uint64_t base, size;
  std::uint32_t type;
};
static_assert(sizeof(E820Wire) == 20);

// vcpu_register_runstate_memory_area and vcpu_register_time_memory_area: 8 bytes in both widths, of
// which 32-bit code uses the lower half.
struct RegisteredArea {
  std::uint64_t address;
};
template <>
struct NarrowLayout<RegisteredArea> {
  struct Wire {
    std::uint32_t address, unused;
  };
  static RegisteredArea Widen(const Wire& wire) { return {wire.address}; }
};

template <>
struct NarrowLayout<vcpu_runstate_info_t> {
  using Wire = RunstateInfo32;
  static Wire Narrow(const vcpu_runstate_info_t& info) { return ToRunstate32(info); }
};

template <>
struct NarrowLayout<vcpu_set_singleshot_timer_t> {
  struct [[gnu::packed]] Wire {
    std::uint64_t timeout_abs_ns;
    std::uint32_t flags;
  };
  static vcpu_set_singleshot_timer_t Widen(const Wire& wire) {
    return {wire.timeout_abs_ns, wire.flags};
  }
};

// sched_poll
struct SchedPoll {
  std::uint64_t ports;  // array of evtchn_port_t
  std::uint32_t nr_ports;
  std::uint32_t padding;
  std::uint64_t timeout;  // system time, ns; 0: none
};
static_assert(sizeof(SchedPoll) == sizeof(sched_poll_t));
static_assert(offsetof(SchedPoll, timeout) == offsetof(sched_poll_t, timeout));

template <>
struct NarrowLayout<SchedPoll> {
  struct [[gnu::packed]] Wire {
    std::uint32_t ports, nr_ports;
    std::uint64_t timeout;
  };
  static SchedPoll Widen(const Wire& wire) { return {wire.ports, wire.nr_ports, 0, wire.timeout}; }
};

// multicall_entry
template <>
struct NarrowLayout<multicall_entry_t> {
  struct Wire {
    std::uint32_t op, result, args[6];
  };
  static multicall_entry_t Widen(const Wire& wire) {
    multicall_entry_t entry{wire.op, wire.result, {}};
    for (std::size_t i = 0; i < 6; ++i) {
      entry.args[i] = wire.args[i];
    }
    return entry;
  }
  static Wire Narrow(const multicall_entry_t& entry) {
    Wire wire{static_cast<std::uint32_t>(entry.op), static_cast<std::uint32_t>(entry.result), {}};
    for (std::size_t i = 0; i < 6; ++i) {
      wire.args[i] = static_cast<std::uint32_t>(entry.args[i]);
    }
    return wire;
  }
};

// gnttab_setup_table
struct GrantSetupTable {
  std::uint16_t dom;
  std::uint16_t padding;
  std::uint32_t nr_frames;
  std::int16_t status;
  std::uint16_t padding_2[3];
  std::uint64_t frame_list;  // array of frame numbers
};
static_assert(sizeof(GrantSetupTable) == sizeof(gnttab_setup_table_t));
static_assert(offsetof(GrantSetupTable, frame_list) == offsetof(gnttab_setup_table_t, frame_list));

template <>
struct NarrowLayout<GrantSetupTable> {
  struct Wire {
    std::uint16_t dom, padding;
    std::uint32_t nr_frames;
    std::int16_t status;
    std::uint16_t padding_2;
    std::uint32_t frame_list;
  };
  static GrantSetupTable Widen(const Wire& wire) {
    return {wire.dom, 0, wire.nr_frames, wire.status, {}, wire.frame_list};
  }
  static Wire Narrow(const GrantSetupTable& op) {
    return {op.dom, 0, op.nr_frames, op.status, 0, static_cast<std::uint32_t>(op.frame_list)};
  }
};

// gnttab_get_status_frames
struct GrantStatusFrames {
  std::uint32_t nr_frames;
  std::uint16_t dom;
  std::int16_t status;
  std::uint64_t frame_list;  // array of uint64_t, for 32-bit code too
};
static_assert(sizeof(GrantStatusFrames) == sizeof(gnttab_get_status_frames_t));
static_assert(offsetof(GrantStatusFrames, frame_list) ==
              offsetof(gnttab_get_status_frames_t, frame_list));

template <>
struct NarrowLayout<GrantStatusFrames> {
  struct Wire {
    std::uint32_t nr_frames;
    std::uint16_t dom;
    std::int16_t status;
    std::uint32_t frame_list;
  };
  static GrantStatusFrames Widen(const Wire& wire) {
    return {wire.nr_frames, wire.dom, wire.status, wire.frame_list};
  }
  static Wire Narrow(const GrantStatusFrames& op) {
    return {op.nr_frames, op.dom, op.status, static_cast<std::uint32_t>(op.frame_list)};
  }
};

// gnttab_copy: the union of a grant reference and a frame number is one machine word.
template <>
struct NarrowLayout<gnttab_copy_t> {
  struct End {
    std::uint32_t ref_or_gmfn;
    std::uint16_t domid, offset;
  };
  struct Wire {
    End source, dest;
    std::uint16_t len, flags;
    std::int16_t status;
    std::uint16_t padding;
  };
  static gnttab_copy_t Widen(const Wire& wire) {
    gnttab_copy_t op{};
    op.source.u.gmfn = wire.source.ref_or_gmfn;
    op.source.domid = wire.source.domid;
    op.source.offset = wire.source.offset;
    op.dest.u.gmfn = wire.dest.ref_or_gmfn;
    op.dest.domid = wire.dest.domid;
    op.dest.offset = wire.dest.offset;
    op.len = wire.len;
    op.flags = wire.flags;
    op.status = wire.status;
    return op;
  }
  static Wire Narrow(const gnttab_copy_t& op) {
    return {{static_cast<std::uint32_t>(op.source.u.gmfn), op.source.domid, op.source.offset},
            {static_cast<std::uint32_t>(op.dest.u.gmfn), op.dest.domid, op.dest.offset},
            op.len,
            op.flags,
            op.status,
            0};
  }
};

// xen_platform_parameters
struct PlatformParameters {
  std::uint64_t virt_start;
};
template <>
struct NarrowLayout<PlatformParameters> {
  struct Wire {
    std::uint32_t virt_start;
  };
  static Wire Narrow(const PlatformParameters& parameters) {
    return {static_cast<std::uint32_t>(parameters.virt_start)};
  }
};

}  // namespace veneer
