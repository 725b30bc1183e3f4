// Between KVM's register structures and ours.
#pragma once

#include <linux/kvm.h>

#include "veneer/vmm/vcpu/registers.h"

namespace veneer::kvm {

Registers FromKvm(const kvm_regs& from);
kvm_regs ToKvm(const Registers& from);
SystemRegisters FromKvm(const kvm_sregs& from);
// Keeps what SystemRegisters does not carry (the pending interrupt bitmap) from `base`.
kvm_sregs ToKvm(const SystemRegisters& from, const kvm_sregs& base);

}  // namespace veneer::kvm
