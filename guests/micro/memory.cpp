// shared_info, and HYPERVISOR_memory_op.
#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"

namespace micro {
namespace {

// A frame that nothing of ours is in: at 40 MiB.
constexpr xen_pfn_t kSpareFrame = 0x2800;

// What XENMEM_memory_map fills in.
struct [[gnu::packed]] MapEntry {
  uint64_t base, size;
  uint32_t type;
};

alignas(kPageSize) uint8_t other_page[kPageSize];

volatile uint32_t& SpareWord() {
  return *reinterpret_cast<volatile uint32_t*>(kSpareFrame * kPageSize);  // mapped one to one
}

intptr_t AddToPhysmap(uint32_t space, xen_ulong_t index, xen_pfn_t frame,
                      domid_t domid = DOMID_SELF) {
  xen_add_to_physmap_t op{};
  op.domid = domid;
  op.space = space;
  op.idx = index;
  op.gpfn = frame;
  return MemoryOp(XENMEM_add_to_physmap, &op);
}

intptr_t Reservation(uint32_t command, xen_pfn_t* frames, xen_ulong_t count,
                     domid_t domid = DOMID_SELF) {
  xen_memory_reservation_t op{};
  set_xen_guest_handle(op.extent_start, frames);
  op.nr_extents = count;
  op.domid = domid;
  return MemoryOp(command, &op);
}

intptr_t CurrentReservation(domid_t domid = DOMID_SELF) {
  xen_memory_domain op{};
  op.domid = domid;
  return MemoryOp(XENMEM_current_reservation, &op);
}

intptr_t Remove(xen_pfn_t frame) {
  xen_remove_from_physmap_t op{};
  op.domid = DOMID_SELF;
  op.gpfn = frame;
  return MemoryOp(XENMEM_remove_from_physmap, &op);
}

void CheckMovingSharedInfo() {
  const xen_pfn_t here = Word(&SharedInfo()) / kPageSize;
  const auto& moved = *reinterpret_cast<const volatile shared_info_t*>(other_page);
  const uint32_t seconds = Read(SharedInfo().wc_sec);
  Check("shared_info/moved", AddToPhysmap(XENMAPSPACE_shared_info, 0, Word(other_page) / kPageSize),
        0);
  CheckTrue("shared_info/there", moved.wc_sec == seconds);
  Check("shared_info/gone-here", Read(SharedInfo().wc_sec), 0);
  Check("shared_info/moved-back", AddToPhysmap(XENMAPSPACE_shared_info, 0, here), 0);
  CheckTrue("shared_info/here-again", Read(SharedInfo().wc_sec) == seconds);
  Check("shared_info/gone-there", moved.wc_sec, 0);
}

void CheckBalloon() {
  const intptr_t before = CurrentReservation();
  CheckTrue("memory/current_reservation", before > 0);
  SpareWord() = 0x12345678;
  xen_pfn_t frame = kSpareFrame;
  Check("memory/decrease", Reservation(XENMEM_decrease_reservation, &frame, 1), 1);
  Check("memory/decreased", CurrentReservation(), before - 1);
  Check("memory/decrease-twice", Reservation(XENMEM_decrease_reservation, &frame, 1), 0);
  Check("memory/populate", Reservation(XENMEM_populate_physmap, &frame, 1), 1);
  Check("memory/populated", CurrentReservation(), before);
  Check("memory/populated-is-zero", SpareWord(), 0);
  SpareWord() = 1;
  Check("memory/populated-is-writable", SpareWord(), 1);

  Check("memory/remove", Remove(kSpareFrame), 0);
  Check("memory/remove-twice", Remove(kSpareFrame), -XEN_ENOENT);
  xen_pfn_t frames[] = {kSpareFrame, kSpareFrame + 1, 0xd0000, kSpareFrame + 2};
  Check("memory/decrease-partly", Reservation(XENMEM_decrease_reservation, frames + 1, 3), 1);
  Check("memory/populate-partly", Reservation(XENMEM_populate_physmap, frames, 4), 2);
  Check("memory/as-before", CurrentReservation(), before);
  Check("memory/increase", Reservation(XENMEM_increase_reservation, frames, 1), 0);
  Check("memory/decrease-other-domain", Reservation(XENMEM_decrease_reservation, frames, 1, 0), 0);
  Check("memory/decrease-bad-list",
        Reservation(XENMEM_decrease_reservation, reinterpret_cast<xen_pfn_t*>(bad_address), 1), 0);
}

void CheckBatch() {
  xen_ulong_t indices[] = {0, 1};
  xen_pfn_t frames[] = {Word(&SharedInfo()) / kPageSize, Word(other_page) / kPageSize};
  int errors[] = {-1, -1};
  xen_add_to_physmap_batch_t op{};
  op.domid = DOMID_SELF;
  op.space = XENMAPSPACE_shared_info;
  op.size = 2;
  set_xen_guest_handle(op.idxs, indices);
  set_xen_guest_handle(op.gpfns, frames);
  set_xen_guest_handle(op.errs, errors);
  Check("memory/batch", MemoryOp(XENMEM_add_to_physmap_batch, &op), 0);
  Check("memory/batch-first", errors[0], 0);
  Check("memory/batch-second", errors[1], -XEN_EINVAL);
  set_xen_guest_handle(op.errs, reinterpret_cast<int*>(bad_address));
  Check("memory/batch-bad-list", MemoryOp(XENMEM_add_to_physmap_batch, &op), -XEN_EFAULT);
}

void CheckMap() {
  static MapEntry entries[16];
  xen_memory_map_t map{};
  map.nr_entries = 16;
  set_xen_guest_handle(map.buffer, entries);
  Check("memory/map", MemoryOp(XENMEM_memory_map, &map), 0);
  CheckTrue("memory/map-entries", map.nr_entries > 1 && map.nr_entries <= 16);
  CheckTrue("memory/map-first", entries[0].base == 0 && entries[0].type == 1);
  map.nr_entries = 16;
  set_xen_guest_handle(map.buffer, reinterpret_cast<void*>(bad_address - 20));
  Check("memory/map-bad-buffer", MemoryOp(XENMEM_memory_map, &map), -XEN_EFAULT);
}

}  // namespace

void TestSharedInfo() {
  const volatile shared_info_t& info = SharedInfo();
  CheckTrue("shared_info/wall-clock", (info.wc_version & 1) == 0 && info.wc_sec > 1'600'000'000);
  const volatile vcpu_time_info_t& time = VcpuInfo().time;
  CheckTrue("shared_info/clock-version", (time.version & 1) == 0 && time.version != 0);
  CheckTrue("shared_info/clock-rate", time.tsc_to_system_mul != 0);
  const uint64_t then = SystemTimeNs();
  CheckTrue("shared_info/clock-runs", SystemTimeNs() > then);
  CheckMovingSharedInfo();
  const xen_pfn_t here = Word(&SharedInfo()) / kPageSize;
  Check("shared_info/bad-index", AddToPhysmap(XENMAPSPACE_shared_info, 1, here), -XEN_EINVAL);
  Check("shared_info/bad-frame",
        AddToPhysmap(XENMAPSPACE_shared_info, 0, static_cast<xen_pfn_t>(-1)), -XEN_EINVAL);
  Check("shared_info/other-domain", AddToPhysmap(XENMAPSPACE_shared_info, 0, here, 0), -XEN_EPERM);
  Check("shared_info/no-domain", AddToPhysmap(XENMAPSPACE_shared_info, 0, here, 99), -XEN_ESRCH);
  Check("shared_info/no-space", AddToPhysmap(99, 0, here), -XEN_EINVAL);
  Check("shared_info/foreign", AddToPhysmap(XENMAPSPACE_gmfn_foreign, 0, here), -XEN_ENOSYS);
}

void TestMemory() {
  CheckBalloon();
  CheckBatch();
  CheckMap();
  xen_memory_domain self{};
  self.domid = DOMID_SELF;
  CheckTrue("memory/maximum_reservation",
            MemoryOp(XENMEM_maximum_reservation, &self) >= CurrentReservation());
  CheckTrue("memory/maximum_gpfn", MemoryOp(XENMEM_maximum_gpfn, &self) > 0x2000);
  Check("memory/no-domain", CurrentReservation(99), -XEN_ESRCH);
  Check("memory/unknown", MemoryOp(40, &self), -XEN_ENOSYS);
  Check("memory/remove-nothing", Remove(0xd0000), -XEN_ENOENT);
  const uintptr_t bad_list[] = {bad_address, bad_address - 2, kNotRam};
  for (const uintptr_t bad : bad_list) {
    Check("memory/bad-pointer-add", MemoryOp(XENMEM_add_to_physmap, bad), -XEN_EFAULT);
  }
  Check("memory/bad-pointer-batch", MemoryOp(XENMEM_add_to_physmap_batch, bad_address),
        -XEN_EFAULT);
  Check("memory/bad-pointer-remove", MemoryOp(XENMEM_remove_from_physmap, bad_address),
        -XEN_EFAULT);
  Check("memory/bad-pointer-current", MemoryOp(XENMEM_current_reservation, bad_address - 1),
        -XEN_EFAULT);
  Check("memory/bad-pointer-map", MemoryOp(XENMEM_memory_map, bad_address), -XEN_EFAULT);
}

}  // namespace micro
