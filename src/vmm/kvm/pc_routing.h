// Which pins of the interrupt controllers a line of a PC reaches.
#pragma once

#include <linux/kvm.h>

#include <vector>

namespace veneer::kvm {

// Lines 0 to 15 on both PICs, 0 to 23 on the IOAPIC. As on every PC the interval timer, line 0, is
// on the IOAPIC's pin 2, which is what the MADT says; KVM's own default is pin 0.
std::vector<kvm_irq_routing_entry> PcRouting();

}  // namespace veneer::kvm
