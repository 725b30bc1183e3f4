// HYPERVISOR_vcpu_op.
#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"
#include "traps.h"

namespace micro {
namespace {

alignas(kPageSize) uint8_t area_page[kPageSize];
constexpr uint32_t kInfoOffset = 256;
vcpu_runstate_info_t runstate;
vcpu_time_info_t secondary_time;

intptr_t RegisterInfo(uint64_t frame, uint32_t offset) {
  vcpu_register_vcpu_info_t op{};
  op.mfn = frame;
  op.offset = offset;
  return VcpuOp(VCPUOP_register_vcpu_info, 0, &op);
}

void CheckRegisteringInfo() {
  const uint64_t frame = Word(area_page) / kPageSize;
  Check("vcpu/info-beyond-page", RegisterInfo(frame, kPageSize - 32), -XEN_ENXIO);
  Check("vcpu/info-misaligned", RegisterInfo(frame, kInfoOffset + 2), -XEN_ENXIO);
  Check("vcpu/info-no-frame", RegisterInfo(kNotRam / kPageSize, 0), -XEN_EINVAL);
  Check("vcpu/info-huge-frame", RegisterInfo(~uint64_t{0} >> 4, 0), -XEN_EINVAL);
  Check("vcpu/register_info", RegisterInfo(frame, kInfoOffset), 0);
  auto* info = reinterpret_cast<vcpu_info_t*>(area_page + kInfoOffset);
  Check("vcpu/info-pending", Read(info->evtchn_upcall_pending), 1);
  CheckTrue("vcpu/info-selects-all", Read(info->evtchn_pending_sel) == ~xen_ulong_t{0});
  UseVcpuInfo(info);
  const uint32_t before = upcalls;
  CheckTrue("vcpu/info-upcall", upcalls != before || WaitForCount(upcalls, before + 1));
  Check("vcpu/register_info-twice", RegisterInfo(frame, 0), -XEN_EINVAL);
  const volatile vcpu_time_info_t& time = info->time;
  CheckTrue("vcpu/info-clock", (time.version & 1) == 0 && time.tsc_to_system_mul != 0);
  const uint64_t then = SystemTimeNs();
  CheckTrue("vcpu/info-clock-runs", SystemTimeNs() > then);
  const uint32_t port = BindIpi();
  const uint32_t seen = events_seen[port];
  Check("vcpu/send", Send(port), 0);
  CheckTrue("vcpu/event-by-new-info", WaitForEvent(port, seen + 1));
  Close(port);
}

void CheckRunstate() {
  vcpu_register_runstate_memory_area_t op{};
  op.addr.p = Word(&runstate);
  runstate.state = -1;
  Check("vcpu/register_runstate", VcpuOp(VCPUOP_register_runstate_memory_area, 0, &op), 0);
  Check("vcpu/runstate-running", Read(runstate.state), RUNSTATE_running);
  vcpu_runstate_info_t info{};
  info.state = -1;
  Check("vcpu/get_runstate", VcpuOp(VCPUOP_get_runstate_info, 0, &info), 0);
  Check("vcpu/get_runstate-running", info.state, RUNSTATE_running);
  uint64_t total = 0;
  for (const uint64_t time : info.time) {
    total += time;
  }
  const uint64_t now = SystemTimeNs();
  CheckTrue("vcpu/runstate-adds-up", total > 0 && total <= now && now - total < 1'000'000'000);
  op.addr.p = bad_address - 8;
  Check("vcpu/register_runstate-bad-area", VcpuOp(VCPUOP_register_runstate_memory_area, 0, &op),
        -XEN_EFAULT);
}

void CheckSecondaryTime() {
  vcpu_register_time_memory_area_t op{};
  op.addr.p = Word(&secondary_time);
  Check("vcpu/register_time", VcpuOp(VCPUOP_register_vcpu_time_memory_area, 0, &op), 0);
  CheckTrue("vcpu/time-area",
            Read(secondary_time.tsc_to_system_mul) == Read(VcpuInfo().time.tsc_to_system_mul));
  op.addr.p = 0;
  Check("vcpu/unregister_time", VcpuOp(VCPUOP_register_vcpu_time_memory_area, 0, &op), 0);
  op.addr.p = bad_address;
  Check("vcpu/register_time-bad-area", VcpuOp(VCPUOP_register_vcpu_time_memory_area, 0, &op),
        -XEN_EFAULT);
}

}  // namespace

void TestVcpu() {
  Check("vcpu/is_up", VcpuOp(VCPUOP_is_up, 0, 0), 1);
  Check("vcpu/is_up-no-vcpu", VcpuOp(VCPUOP_is_up, 99, 0), -XEN_ENOENT);
  Check("vcpu/up", VcpuOp(VCPUOP_up, 0, 0), 0);
  Check("vcpu/get_physid", VcpuOp(VCPUOP_get_physid, 0, Word(&runstate)), -XEN_EINVAL);
  Check("vcpu/send_nmi-argument", VcpuOp(VCPUOP_send_nmi, 0, 1), -XEN_EINVAL);
  Check("vcpu/unknown", VcpuOp(99, 0, 0), -XEN_ENOSYS);
  const uint32_t with_argument[] = {
      VCPUOP_register_vcpu_info,   VCPUOP_register_runstate_memory_area,
      VCPUOP_get_runstate_info,    VCPUOP_register_vcpu_time_memory_area,
      VCPUOP_set_singleshot_timer, VCPUOP_set_periodic_timer};
  for (const uint32_t op : with_argument) {
    Check("vcpu/bad-pointer", VcpuOp(op, 0, bad_address - 1), -XEN_EFAULT);
  }
  CheckRegisteringInfo();
  CheckRunstate();
  CheckSecondaryTime();
  Check("vcpu/send_nmi", VcpuOp(VCPUOP_send_nmi, 0, 0), 0);
  CheckTrue("vcpu/nmi-arrives", WaitForCount(nmis, 1));
}

}  // namespace micro
