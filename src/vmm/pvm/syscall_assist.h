// Finishes the SYSCALLs that a PVM host begins: it moves RIP to LSTAR but stays in user mode, so
// that the guest takes a page fault there.
//
// A breakpoint on the guest's page fault handler lets us see that fault before the guest does.
#pragma once

#include <cstdint>
#include <optional>

#include "instruction_assist.h"
#include "linear_memory.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// One per vCPU, on its thread; owns the vCPU's GuestDebug.
class SyscallAssist : public ExitHandler {
 public:
  // All must outlive this. `stepper` saves most single steps.
  SyscallAssist(GuestMemory& memory, InstructionAssist& stepper, Metrics& metrics);

  // Debug exits and accesses to LSTAR. Others are not ours, but may be the moment to set up a
  // breakpoint that could not be set before.
  Outcome OnExit(Vcpu& vcpu, const VcpuExit& exit) override;

  // To be called after somebody else has moved RIP: a single step under way ends then without a
  // debug exit.
  void AfterRipMoved(Vcpu& vcpu);

 private:
  // What the processor pushes for an exception with an error code (Intel SDM vol. 3, 6.14.2).
  struct ExceptionFrame {
    std::uint64_t error_code;
    std::uint64_t rip;
    std::uint64_t cs;
    std::uint64_t rflags;
    std::uint64_t rsp;
    std::uint64_t ss;
  };

  Outcome OnMsr(Vcpu& vcpu, const MsrExit& exit);
  Outcome OnDebug(Vcpu& vcpu, const DebugExit& exit);
  void Arm(Vcpu& vcpu);
  void StepOver(Vcpu& vcpu);
  std::optional<std::uint64_t> PageFaultHandler(const SystemRegisters& system) const;
  std::optional<ExceptionFrame> UnfinishedSyscall(const Registers& registers,
                                                  const SystemRegisters& system) const;
  bool Finish(Vcpu& vcpu, Registers registers, SystemRegisters system, const ExceptionFrame& frame);

  GuestMemory& memory_;
  InstructionAssist& stepper_;
  Counter& finished_;
  Counter& page_faults_;
  Counter& single_steps_;
  std::uint64_t lstar_ = 0;  // 0: the guest has not set it up
  std::optional<std::uint64_t> breakpoint_;
  bool stepping_ = false;
};

}  // namespace veneer
