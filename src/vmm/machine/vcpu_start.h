// A vCPU that the guest starts by hypercalls.
#pragma once

#include "veneer/vmm/vcpu/vcpu.h"
#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {

// Has the vCPU run with these registers, whatever it waited for. On its thread. False: KVM does not
// take them, and the vCPU waits on.
[[nodiscard]] bool StartWith(Vcpu& vcpu, const vcpu_hvm_context_t& context);

}  // namespace veneer
