// Hypercalls, by the hypercall page or by the guest's own VMCALL and VMMCALL functions.
#pragma once

#include <stdint.h>

#include "arch.h"
#include "xen.h"

namespace micro {

// Finds Xen, and makes the transport that the command line asks for ready: the page, or the call
// sites with "transport=sites". False, with a failed check, if there is none.
bool SetUpHypercalls();

// The code that carries out call `number`.
uintptr_t HypercallTarget(uint32_t number);

inline intptr_t CallTarget(uintptr_t target, uint32_t number, uintptr_t a1, uintptr_t a2,
                           uintptr_t a3, uintptr_t a4, uintptr_t a5) {
  intptr_t result;
#ifdef __x86_64__
  register uintptr_t r10 asm("r10") = a4;
  register uintptr_t r8 asm("r8") = a5;
  asm volatile("call *%[target]"
               : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
               : "a"(static_cast<uintptr_t>(number)), [target] "m"(target)
               : "memory", "cc");
#else
  // No register is left for the address.
  static volatile uintptr_t place;
  place = target;
  asm volatile("call *%[target]"
               : "=a"(result), "+b"(a1), "+c"(a2), "+d"(a3), "+S"(a4), "+D"(a5)
               : "a"(number), [target] "m"(place)
               : "memory", "cc");
#endif
  return result;
}

// Arguments may be integers or pointers.
inline uintptr_t Word(uintptr_t value) { return value; }
template <typename T>
uintptr_t Word(T* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);  // hypercalls take addresses as numbers
}

template <typename A1 = uintptr_t, typename A2 = uintptr_t, typename A3 = uintptr_t,
          typename A4 = uintptr_t>
intptr_t Hypercall(uint32_t number, A1 a1 = 0, A2 a2 = 0, A3 a3 = 0, A4 a4 = 0) {
  return CallTarget(HypercallTarget(number), number, Word(a1), Word(a2), Word(a3), Word(a4), 0);
}

template <typename T>
intptr_t VersionOp(uint32_t op, T argument) {
  return Hypercall(__HYPERVISOR_xen_version, op, argument);
}
template <typename T>
intptr_t MemoryOp(uint32_t op, T argument) {
  return Hypercall(__HYPERVISOR_memory_op, op, argument);
}
template <typename T>
intptr_t HvmOp(uint32_t op, T argument) {
  return Hypercall(__HYPERVISOR_hvm_op, op, argument);
}
template <typename T>
intptr_t VcpuOp(uint32_t op, uint32_t vcpu, T argument) {
  return Hypercall(__HYPERVISOR_vcpu_op, op, vcpu, argument);
}
template <typename T>
intptr_t EventOp(uint32_t op, T argument) {
  return Hypercall(__HYPERVISOR_event_channel_op, op, argument);
}
template <typename T>
intptr_t SchedOp(uint32_t op, T argument) {
  return Hypercall(__HYPERVISOR_sched_op, op, argument);
}
template <typename T>
intptr_t GrantOp(uint32_t op, T argument, uint32_t count = 1) {
  return Hypercall(__HYPERVISOR_grant_table_op, op, argument, count);
}

// 0 and the value, or the error.
inline intptr_t GetParam(uint32_t index, uint64_t* value) {
  xen_hvm_param_t op{};
  op.domid = DOMID_SELF;
  op.index = index;
  const intptr_t result = HvmOp(HVMOP_get_param, &op);
  *value = op.value;
  return result;
}
inline intptr_t SetParam(uint32_t index, uint64_t value) {
  xen_hvm_param_t op{};
  op.domid = DOMID_SELF;
  op.index = index;
  op.value = value;
  return HvmOp(HVMOP_set_param, &op);
}

}  // namespace micro
