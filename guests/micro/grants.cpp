// HYPERVISOR_grant_table_op, with the table where Linux has it: in the platform device's memory.
#include "grants.h"

#include "arch.h"
#include "hypercall.h"
#include "platform.h"
#include "report.h"
#include "tests.h"

namespace micro {
namespace {

constexpr grant_ref_t kReadOnly = 8;
constexpr grant_ref_t kWritable = 9;
constexpr grant_ref_t kToDomain0 = 10;
constexpr domid_t kGuest = 1;

alignas(kPageSize) uint32_t from_page[kPageSize / 4];
alignas(kPageSize) uint32_t to_page[kPageSize / 4];

uint32_t FrameOf(const void* page) { return Word(page) / kPageSize; }

void CheckSize() {
  gnttab_query_size_t op{};
  op.dom = DOMID_SELF;
  Check("grants/query_size", GrantOp(GNTTABOP_query_size, &op), 0);
  Check("grants/query_size-status", op.status, GNTST_okay);
  CheckTrue("grants/size", op.nr_frames >= 1 && op.max_nr_frames >= 4);
  Check("grants/query_size-none", GrantOp(GNTTABOP_query_size, &op, 0), -XEN_EINVAL);
  op.dom = 0;
  Check("grants/query_size-of-domain-0", GrantOp(GNTTABOP_query_size, &op), 0);
  Check("grants/query_size-of-domain-0-status", op.status, GNTST_permission_denied);
  op.dom = 99;
  Check("grants/query_size-of-nobody", GrantOp(GNTTABOP_query_size, &op), 0);
  Check("grants/query_size-of-nobody-status", op.status, GNTST_bad_domain);
  Check("grants/beyond", MapGrantFrame(op.max_nr_frames + 100000, 0x2800), -XEN_EINVAL);
}

void CheckSetup(uintptr_t table) {
  xen_pfn_t frames[2] = {};
  gnttab_setup_table_t op{};
  op.dom = DOMID_SELF;
  op.nr_frames = 2;
  set_xen_guest_handle(op.frame_list, frames);
  Check("grants/setup_table", GrantOp(GNTTABOP_setup_table, &op), 0);
  Check("grants/setup_table-status", op.status, GNTST_okay);
  CheckTrue("grants/setup_table-frames",
            frames[0] == table / kPageSize && frames[1] == table / kPageSize + 1);
  op.nr_frames = 0x7fffffff;
  Check("grants/setup_table-too-many", GrantOp(GNTTABOP_setup_table, &op), 0);
  Check("grants/setup_table-too-many-status", op.status, GNTST_general_error);
}

intptr_t SetVersion(uint32_t version) {
  gnttab_set_version_t op{version};
  return GrantOp(GNTTABOP_set_version, &op);
}

void CheckVersions() {
  gnttab_get_version_t op{};
  op.dom = DOMID_SELF;
  Check("grants/get_version", GrantOp(GNTTABOP_get_version, &op), 0);
  Check("grants/version-1", op.version, 1);
  Check("grants/set_version-unknown", SetVersion(7), -XEN_EINVAL);
  const intptr_t second = SetVersion(2);
  CheckTrue("grants/set_version-2", second == 0 || second == -XEN_ENOSYS);
  if (second == 0) {
    Check("grants/get_version-2", GrantOp(GNTTABOP_get_version, &op), 0);
    Check("grants/version-2", op.version, 2);
    uint64_t frame = 0;
    gnttab_get_status_frames_t status{};
    status.dom = DOMID_SELF;
    status.nr_frames = 1;
    set_xen_guest_handle(status.frame_list, &frame);
    Check("grants/get_status_frames", GrantOp(GNTTABOP_get_status_frames, &status), 0);
    Check("grants/get_status_frames-status", status.status, GNTST_okay);
    Check("grants/set_version-back", SetVersion(1), 0);
  }
  op.dom = 99;
  Check("grants/get_version-of-nobody", GrantOp(GNTTABOP_get_version, &op), -XEN_ESRCH);
}

gnttab_copy_t Copy(xen_pfn_t from, xen_pfn_t to, uint16_t length, uint16_t flags = 0) {
  gnttab_copy_t op{};
  op.source.domid = DOMID_SELF;
  op.dest.domid = DOMID_SELF;
  op.len = length;
  op.flags = flags;
  op.status = 99;
  if ((flags & GNTCOPY_source_gref) != 0) {
    op.source.u.ref = static_cast<grant_ref_t>(from);
  } else {
    op.source.u.gmfn = from;
  }
  if ((flags & GNTCOPY_dest_gref) != 0) {
    op.dest.u.ref = static_cast<grant_ref_t>(to);
  } else {
    op.dest.u.gmfn = to;
  }
  return op;
}

int StatusOf(gnttab_copy_t op) { return GrantOp(GNTTABOP_copy, &op) == 0 ? op.status : 1; }

void CheckCopy() {
  const xen_pfn_t from = FrameOf(from_page);
  const xen_pfn_t to = FrameOf(to_page);
  from_page[0] = 0x600df00d;
  from_page[1023] = 0x1234;
  Check("grants/copy-page", StatusOf(Copy(from, to, kPageSize)), GNTST_okay);
  CheckTrue("grants/copied", Read(to_page[0]) == 0x600df00d && Read(to_page[1023]) == 0x1234);
  from_page[0] = 1;
  Check("grants/copy-from-grant", StatusOf(Copy(kReadOnly, to, 8, GNTCOPY_source_gref)),
        GNTST_okay);
  Check("grants/copied-from-grant", Read(to_page[0]), 1);
  from_page[0] = 2;
  Check("grants/copy-to-grant", StatusOf(Copy(from, kWritable, 8, GNTCOPY_dest_gref)), GNTST_okay);
  Check("grants/copied-to-grant", Read(to_page[0]), 2);
  Check("grants/copy-to-read-only", StatusOf(Copy(from, kReadOnly, 8, GNTCOPY_dest_gref)),
        GNTST_general_error);
  Check("grants/copy-from-another's", StatusOf(Copy(kToDomain0, to, 8, GNTCOPY_source_gref)),
        GNTST_general_error);
  Check("grants/copy-bad-ref", StatusOf(Copy(1000000, to, 8, GNTCOPY_source_gref)),
        GNTST_bad_gntref);
  gnttab_copy_t beyond = Copy(from, to, 8);
  beyond.source.offset = kPageSize - 4;
  Check("grants/copy-beyond-page", StatusOf(beyond), GNTST_bad_copy_arg);
  Check("grants/copy-no-frame", StatusOf(Copy(kNotRam / kPageSize, to, 8)), GNTST_bad_page);
  gnttab_copy_t foreign = Copy(from, to, 8);
  foreign.source.domid = 0;
  Check("grants/copy-foreign-frame", StatusOf(foreign), GNTST_permission_denied);
  // One bad element does not disturb its neighbours.
  gnttab_copy_t three[] = {Copy(from, to, 8), Copy(kNotRam / kPageSize, to, 8), Copy(from, to, 8)};
  Check("grants/copy-three", GrantOp(GNTTABOP_copy, three, 3), 0);
  CheckTrue("grants/copy-three-status", three[0].status == GNTST_okay &&
                                            three[1].status == GNTST_bad_page &&
                                            three[2].status == GNTST_okay);
}

void CheckMap() {
  gnttab_map_grant_ref_t map{};
  map.flags = GNTMAP_host_map;
  map.dom = 0;
  Check("grants/map", GrantOp(GNTTABOP_map_grant_ref, &map), 0);
  Check("grants/map-status", map.status, GNTST_bad_gntref);
  gnttab_unmap_grant_ref_t unmap{};
  unmap.handle = 5;
  Check("grants/unmap", GrantOp(GNTTABOP_unmap_grant_ref, &unmap), 0);
  Check("grants/unmap-status", unmap.status, GNTST_bad_handle);
}

}  // namespace

intptr_t MapGrantFrame(uint32_t index, uintptr_t frame) {
  xen_add_to_physmap_t op{};
  op.domid = DOMID_SELF;
  op.space = XENMAPSPACE_grant_table;
  op.idx = index;
  op.gpfn = frame;
  return MemoryOp(XENMEM_add_to_physmap, &op);
}

void FillGrant(grant_entry_v1_t& entry, uint16_t flags, domid_t domid, uint32_t frame) {
  entry.domid = domid;
  entry.frame = frame;
  Barrier();
  entry.flags = flags;
}

void TestGrants() {
  CheckSize();
  const uintptr_t table = PlatformMemory();
  if (!CheckTrue("grants/place", table != 0)) {
    return;
  }
  // Linux asks for the highest frame first.
  Check("grants/map-frame-1", MapGrantFrame(1, table / kPageSize + 1), 0);
  Check("grants/map-frame-0", MapGrantFrame(0, table / kPageSize), 0);
  CheckSetup(table);
  auto* entries = reinterpret_cast<grant_entry_v1_t*>(table);
  uint64_t store = 0;
  GetParam(HVM_PARAM_STORE_PFN, &store);
  Check("grants/reserved-for-xenstore", entries[GNTTAB_RESERVED_XENSTORE].frame,
        static_cast<int64_t>(store));
  CheckVersions();
  Check("grants/reserved-survives", entries[GNTTAB_RESERVED_XENSTORE].frame,
        static_cast<int64_t>(store));
  FillGrant(entries[kReadOnly], GTF_permit_access | GTF_readonly, kGuest, FrameOf(from_page));
  FillGrant(entries[kWritable], GTF_permit_access, kGuest, FrameOf(to_page));
  FillGrant(entries[kToDomain0], GTF_permit_access, 0, FrameOf(from_page));
  CheckCopy();
  CheckMap();
  Check("grants/unknown", GrantOp(99, entries), -XEN_ENOSYS);
  const uint32_t operations[] = {GNTTABOP_query_size,    GNTTABOP_setup_table,
                                 GNTTABOP_copy,          GNTTABOP_set_version,
                                 GNTTABOP_get_version,   GNTTABOP_get_status_frames,
                                 GNTTABOP_map_grant_ref, GNTTABOP_unmap_grant_ref};
  for (const uint32_t op : operations) {
    Check("grants/bad-pointer", GrantOp(op, bad_address - 1), -XEN_EFAULT);
  }
}

}  // namespace micro
