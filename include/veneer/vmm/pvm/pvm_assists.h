// What a PVM host's vCPU needs besides KVM: instructions that KVM's emulator does not know, and the
// second half of SYSCALL.
//
// Only for hosts on which the probe says so; a hardware host never makes one of these.
#pragma once

#include <memory>
#include <string>

#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/vmm/vcpu/registers.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// The MSR whose reads and writes the machine must let the MSR filter hand to us: the SYSCALL assist
// learns from the write when a guest kernel has set up its system call entry.
inline constexpr std::uint32_t kPvmAssistMsr = kMsrLstar;

// An assist for one vCPU, to be asked about every exit before anybody else and used on the vCPU's
// thread only. It deals with EmulationFailureExit, DebugExit and MsrExit of kPvmAssistMsr and owns
// the vCPU's GuestDebug setting. `memory` and `metrics` must outlive it. Counters: "assist." and
// the instruction's mnemonic, and those that README.md lists.
std::unique_ptr<ExitHandler> MakePvmAssists(GuestMemory& memory, Metrics& metrics);

// For the report that ends a machine when even the assist does not know the instruction: several
// lines with RIP, the bytes, their disassembly and the registers. No trailing newline.
std::string DescribeFailure(Vcpu& vcpu, GuestMemory& memory, const EmulationFailureExit& exit);

}  // namespace veneer
