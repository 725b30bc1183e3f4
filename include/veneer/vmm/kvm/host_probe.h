// What kind of host this is, found out by running a tiny guest rather than by asking anybody.
#pragma once

#include <cstdint>

#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/kvm/kvm_system.h"

namespace veneer {

struct HostProfile {
  // KVM interprets the guest's kernel instruction by instruction (page-table based KVM without
  // VT-x or SVM, "PVM"). Such a host needs the assists, and must never see a vmcall.
  bool emulated_kernel = false;
  // How fast guest ring 0 runs, in instructions per second; measured on a short loop, if asked.
  double kernel_instructions_per_second = 0;
  // How long the probe took, in ns.
  std::uint64_t probe_ns = 0;
};

// Runs for a few milliseconds at most, of which measuring the speed takes the most.
Result<HostProfile> ProbeHost(const KvmSystem& system, const Clock& clock, bool measure_speed);

}  // namespace veneer
