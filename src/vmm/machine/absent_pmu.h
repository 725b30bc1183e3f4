// Answers for the performance counters of a processor that KVM shows without them.
//
// AMD's first four counters have no CPUID bit, so guests look for them by writing. KVM drops such a
// write with a line in the host's log (Linux, arch/x86/kvm/x86.c, MSR_K7_PERFCTR0); Veneer takes
// these accesses over and answers the same without the line.
#pragma once

#include <vector>

#include "veneer/vmm/vcpu/cpuid.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// The MSRs to be handed to an AbsentPmu; none if KVM offers counters to guests. `pmu`:
// KvmCapabilities::pmu.
std::vector<MsrRange> AbsentPmuMsrs(const CpuidTable& supported, bool pmu);

// They read as zero and take no value.
class AbsentPmu final : public ExitHandler {
 public:
  Outcome OnExit(Vcpu& vcpu, const VcpuExit& exit) override;
};

}  // namespace veneer
