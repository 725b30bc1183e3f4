// HYPERVISOR_memory_op: reservations and the memory map (xen/memory.h). The map of frames is in
// physmap_calls.h.
#include <algorithm>
#include <limits>

#include "arguments.h"
#include "physmap_calls.h"
#include "table.h"

namespace veneer {
namespace {

constexpr unsigned kMaxOrder = 9;  // what Xen lets an unprivileged guest have: 2 MiB
constexpr std::uint64_t kPagesPerSlice = 2048;

// Carries `one` out for each frame of each extent, a slice at a time. Xen reports what went wrong
// with a reservation by how many extents it has done, and not otherwise.
using FrameFunction = bool (*)(Physmap&, Gfn);

bool DoExtent(Physmap& physmap, std::uint64_t first, unsigned order, FrameFunction one) {
  for (std::uint64_t i = 0; i < std::uint64_t{1} << order; ++i) {
    if (!one(physmap, Gfn{first + i})) {
      return false;
    }
  }
  return true;
}

bool Acceptable(const MemoryReservation& reservation, std::uint64_t done) {
  // Xen refuses what it could not go on with after a break.
  constexpr std::uint64_t kMaxExtents =
      std::numeric_limits<std::uint32_t>::max() >> kMemoryExtentShift;
  return reservation.nr_extents <= kMaxExtents && done < reservation.nr_extents &&
         CheckSelf(reservation.domid) && reservation.extent_order <= kMaxOrder;
}

CallResult ChangeReservation(Call& call, FrameFunction one) {
  std::uint64_t done = StartExtent(call);
  MemoryReservation reservation{};
  if (!CopyIn(call, call.frame.args[1], reservation) || !Acceptable(reservation, done)) {
    return static_cast<std::int64_t>(done);
  }
  const std::uint64_t slice =
      std::max<std::uint64_t>(1, kPagesPerSlice >> reservation.extent_order);
  const std::uint64_t stop = std::min(reservation.nr_extents, done + slice);
  for (; done < stop; ++done) {
    std::uint64_t first = 0;
    if (!CopyInWord(call, reservation.extent_start, done, first) ||
        !DoExtent(call.domain.physmap(), first, reservation.extent_order, one)) {
      return static_cast<std::int64_t>(done);
    }
  }
  if (done < reservation.nr_extents) {
    return GoOnAt(call, done);
  }
  return static_cast<std::int64_t>(done);
}

// Memory without a place in the guest's map, which no guest of ours can use: none is given.
CallResult IncreaseReservation(Call& call) { return static_cast<std::int64_t>(StartExtent(call)); }

CallResult DecreaseReservation(Call& call) {
  return ChangeReservation(call, [](Physmap& physmap, Gfn gfn) { return physmap.Release(gfn); });
}

CallResult PopulatePhysmap(Call& call) {
  return ChangeReservation(call, [](Physmap& physmap, Gfn gfn) { return physmap.Populate(gfn); });
}

// The three questions about a domain: `kValue` answers.
using Question = std::uint64_t (*)(const Physmap&);
template <Question kValue>
CallResult Ask(Call& call, const xen_memory_domain& op) {
  if (const XenResult<void> self = CheckSelf(op.domid); !self) {
    return self;
  }
  return static_cast<std::int64_t>(kValue(call.domain.physmap()));
}

std::uint64_t Current(const Physmap& physmap) { return physmap.populated_pages(); }
std::uint64_t Maximum(const Physmap& physmap) { return physmap.maximum_pages(); }
std::uint64_t HighestFrame(const Physmap& physmap) { return physmap.HighestFrame().value; }

CallResult MaximumRamPage(Call& call) {
  return static_cast<std::int64_t>(call.domain.physmap().HighestFrame().value);
}

CallResult GetMemoryMap(Call& call, MemoryMap& map) {
  const auto& entries = call.domain.options().e820;
  if (entries.empty()) {
    return Errno(XEN_ENOSYS);
  }
  map.nr_entries = std::min(map.nr_entries, static_cast<std::uint32_t>(entries.size()));
  for (std::uint32_t i = 0; i < map.nr_entries; ++i) {
    const E820Wire wire = {entries[i].base, entries[i].size, entries[i].type};
    if (!call.memory.Write(map.buffer + i * sizeof(wire), BytesOf(wire))) {
      return Errno(XEN_EFAULT);
    }
  }
  return 0;
}

constexpr std::uint32_t kNumber = __HYPERVISOR_memory_op;
constexpr HypercallRow kRows[] = {
    {kNumber, XENMEM_increase_reservation, "memory_op.increase_reservation", IncreaseReservation},
    {kNumber, XENMEM_decrease_reservation, "memory_op.decrease_reservation", DecreaseReservation},
    {kNumber, XENMEM_populate_physmap, "memory_op.populate_physmap", PopulatePhysmap},
    {kNumber, XENMEM_maximum_ram_page, "memory_op.maximum_ram_page", NoExtents<MaximumRamPage>},
    {kNumber, XENMEM_current_reservation, "memory_op.current_reservation",
     NoExtents<In<Ask<Current>>>},
    {kNumber, XENMEM_maximum_reservation, "memory_op.maximum_reservation",
     NoExtents<In<Ask<Maximum>>>},
    {kNumber, XENMEM_maximum_gpfn, "memory_op.maximum_gpfn", NoExtents<In<Ask<HighestFrame>>>},
    {kNumber, XENMEM_memory_map, "memory_op.memory_map", WholeCommand<InOut<GetMemoryMap>>},
    {kNumber, XENMEM_add_to_physmap, "memory_op.add_to_physmap", AddToPhysmap},
    {kNumber, XENMEM_add_to_physmap_batch, "memory_op.add_to_physmap_batch", AddToPhysmapBatch},
    {kNumber, XENMEM_remove_from_physmap, "memory_op.remove_from_physmap", RemoveFromPhysmap},
};

}  // namespace

std::span<const HypercallRow> MemoryRows() { return kRows; }

}  // namespace veneer
