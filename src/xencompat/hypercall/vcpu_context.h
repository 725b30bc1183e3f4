// The registers that VCPUOP_initialise gives a vCPU (xen/hvm/hvm_vcpu.h): one layout for guests of
// either width.
#pragma once

#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {

// Whether Xen takes them. What only the processor can judge (bits of control registers that it does
// not have) is not looked at.
bool IsValidContext(const vcpu_hvm_context_t& context);

}  // namespace veneer
