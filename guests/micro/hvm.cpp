// HYPERVISOR_hvm_op.
#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"
#include "traps.h"

namespace micro {
namespace {

intptr_t ParamOp(uint32_t op_number, domid_t domid, uint32_t index) {
  xen_hvm_param_t op{};
  op.domid = domid;
  op.index = index;
  return HvmOp(op_number, &op);
}

void CheckParams() {
  uint64_t value = 0;
  Check("hvm/get-store-pfn", GetParam(HVM_PARAM_STORE_PFN, &value), 0);
  CheckTrue("hvm/store-pfn", value != 0);
  Check("hvm/get-store-evtchn", GetParam(HVM_PARAM_STORE_EVTCHN, &value), 0);
  CheckTrue("hvm/store-evtchn", value != 0);
  Check("hvm/get-console-pfn", GetParam(HVM_PARAM_CONSOLE_PFN, &value), 0);
  Check("hvm/set-store-pfn", SetParam(HVM_PARAM_STORE_PFN, 1), -XEN_EPERM);
  Check("hvm/get-ioreq-pfn", GetParam(HVM_PARAM_IOREQ_PFN, &value), -XEN_EPERM);
  Check("hvm/get-beyond", GetParam(HVM_NR_PARAMS, &value), -XEN_EINVAL);
  Check("hvm/set-beyond", SetParam(0xffffffff, 1), -XEN_EINVAL);
  Check("hvm/get-of-domain-0", ParamOp(HVMOP_get_param, 0, HVM_PARAM_STORE_PFN), -XEN_EPERM);
  Check("hvm/get-of-nobody", ParamOp(HVMOP_get_param, 99, HVM_PARAM_STORE_PFN), -XEN_ESRCH);
  Check("hvm/set-of-nobody", ParamOp(HVMOP_set_param, 99, HVM_PARAM_CALLBACK_IRQ), -XEN_ESRCH);
  // What Linux writes when it has given every vCPU a vector: not an interrupt.
  Check("hvm/callback-signal", SetParam(HVM_PARAM_CALLBACK_IRQ, 1), 0);
  Check("hvm/callback-kept", GetParam(HVM_PARAM_CALLBACK_IRQ, &value), 0);
  Check("hvm/callback-value", static_cast<int64_t>(value), 1);
}

void CheckMemoryType() {
  xen_hvm_get_mem_type_t op{};
  op.domid = DOMID_SELF;
  op.pfn = 0x2000;
  Check("hvm/get_mem_type", HvmOp(HVMOP_get_mem_type, &op), 0);
  Check("hvm/ram", op.mem_type, HVMMEM_ram_rw);
  op.pfn = kNotRam / kPageSize;
  Check("hvm/get_mem_type-device", HvmOp(HVMOP_get_mem_type, &op), 0);
  Check("hvm/device", op.mem_type, HVMMEM_mmio_dm);
  op.domid = 99;
  Check("hvm/get_mem_type-nobody", HvmOp(HVMOP_get_mem_type, &op), -XEN_ESRCH);
}

}  // namespace

void TestHvm() {
  CheckParams();
  CheckMemoryType();
  xen_hvm_evtchn_upcall_vector_t vector{};
  vector.vector = 0x0f;
  Check("hvm/vector-too-low", HvmOp(HVMOP_set_evtchn_upcall_vector, &vector), -XEN_EINVAL);
  vector.vector = kUpcallVector;
  vector.vcpu = 99;
  Check("hvm/vector-no-vcpu", HvmOp(HVMOP_set_evtchn_upcall_vector, &vector), -XEN_ENOENT);
  xen_hvm_get_time_t time{};
  const uint64_t now = SystemTimeNs();
  Check("hvm/get_time", HvmOp(HVMOP_get_time, &time), 0);
  const auto difference = static_cast<int64_t>(time.now - now);
  CheckTrue("hvm/time", difference > -100'000'000 && difference < 1'000'000'000);
  xen_hvm_pagetable_dying_t dying{};
  dying.domid = DOMID_SELF;
  Check("hvm/pagetable_dying", HvmOp(HVMOP_pagetable_dying, &dying), -XEN_ENOSYS);
  Check("hvm/flush_tlbs", HvmOp(HVMOP_flush_tlbs, 0), 0);
  Check("hvm/flush_tlbs-argument", HvmOp(HVMOP_flush_tlbs, 1), -XEN_EINVAL);
  constexpr uint32_t kSetMemType = 8;
  Check("hvm/set_mem_type", HvmOp(kSetMemType, &dying), -XEN_EPERM);
  Check("hvm/unknown", HvmOp(99, &dying), -XEN_ENOSYS);
  const uintptr_t bad_list[] = {bad_address, bad_address - 1, kNotRam};
  for (const uintptr_t bad : bad_list) {
    Check("hvm/bad-pointer", HvmOp(HVMOP_get_param, bad), -XEN_EFAULT);
  }
  Check("hvm/bad-pointer-set", HvmOp(HVMOP_set_param, bad_address), -XEN_EFAULT);
  Check("hvm/bad-pointer-time", HvmOp(HVMOP_get_time, bad_address - 4), -XEN_EFAULT);
  Check("hvm/bad-pointer-vector", HvmOp(HVMOP_set_evtchn_upcall_vector, bad_address), -XEN_EFAULT);
}

}  // namespace micro
