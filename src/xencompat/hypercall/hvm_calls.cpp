// HYPERVISOR_hvm_op (xen/hvm/hvm_op.h): all of its arguments look the same to 32-bit and 64-bit
// code.
#include "table.h"

namespace veneer {
namespace {

CallResult SetParam(Call& call, const xen_hvm_param_t& op) {
  if (op.index >= HVM_NR_PARAMS) {
    return Errno(XEN_EINVAL);
  }
  if (const XenResult<void> self = CheckSelf(op.domid); !self) {
    return self;
  }
  return call.domain.SetParam(op.index, op.value, call.frame.width);
}

CallResult GetParam(Call& call, xen_hvm_param_t& op) {
  if (op.index >= HVM_NR_PARAMS) {
    return Errno(XEN_EINVAL);
  }
  if (const XenResult<void> self = CheckSelf(op.domid); !self) {
    return self;
  }
  const XenResult<std::uint64_t> value = call.domain.params().Get(op.index);
  if (!value) {
    return Errno(value.error());
  }
  op.value = *value;
  return 0;
}

CallResult SetUpcallVector(Call& call, const xen_hvm_evtchn_upcall_vector_t& op) {
  return call.domain.SetUpcallVector(op.vcpu, op.vector);
}

CallResult GetMemType(Call& call, xen_hvm_get_mem_type_t& op) {
  if (const XenResult<void> self = CheckSelf(op.domid); !self) {
    return self;
  }
  op.mem_type = call.domain.physmap().IsRam(Gfn{op.pfn}) ? HVMMEM_ram_rw : HVMMEM_mmio_dm;
  return 0;
}

// A toolstack's operation since Xen 4.9; a guest is not allowed to make it.
CallResult SetMemType(Call&) { return Errno(XEN_EPERM); }

// All vCPUs of the caller: there is no mask.
CallResult FlushTlbs(Call& call) {
  if (call.frame.args[1] != 0) {
    return Errno(XEN_EINVAL);
  }
  return call.domain.hooks().FlushTlbs(call.vcpu) ? CallResult(0) : CallResult::Again();
}

CallResult GetTime(Call& call, xen_hvm_get_time_t& out) {
  out.now = call.domain.time().GuestNs();
  return 0;
}

constexpr std::uint32_t kNumber = __HYPERVISOR_hvm_op;
constexpr std::uint64_t kSetMemType = 8;  // no longer in the public header
constexpr HypercallRow kRows[] = {
    {kNumber, HVMOP_set_param, "hvm_op.set_param", In<SetParam>},
    {kNumber, HVMOP_get_param, "hvm_op.get_param", InOut<GetParam>},
    {kNumber, HVMOP_flush_tlbs, "hvm_op.flush_tlbs", FlushTlbs},
    {kNumber, kSetMemType, "hvm_op.set_mem_type", SetMemType},
    {kNumber, HVMOP_get_time, "hvm_op.get_time", Out<GetTime>},
    {kNumber, HVMOP_get_mem_type, "hvm_op.get_mem_type", InOut<GetMemType>},
    {kNumber, HVMOP_set_evtchn_upcall_vector, "hvm_op.set_evtchn_upcall_vector",
     In<SetUpcallVector>},
};

}  // namespace

std::span<const HypercallRow> HvmRows() { return kRows; }

}  // namespace veneer
