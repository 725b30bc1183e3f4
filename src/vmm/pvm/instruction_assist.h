// Performs on the vCPU's state the instructions that KVM's emulator does not know.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "completion.h"
#include "instruction_context.h"
#include "native_instruction.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// One per vCPU, on its thread. kNotMine leaves the vCPU as KVM stopped it, for DescribeFailure().
class InstructionAssist : public ExitHandler {
 public:
  // Both must outlive this.
  InstructionAssist(GuestMemory& memory, Metrics& metrics);

  Outcome OnExit(Vcpu& vcpu, const VcpuExit& exit) override;

  // Performs the instruction at RIP, whatever KVM thinks of it, if it is a known one that neither
  // faults nor traps. False: nothing was changed.
  bool TryStep(Vcpu& vcpu);

 private:
  Completion Perform(InstructionContext& context);
  void Count(ZydisMnemonic mnemonic);

  GuestMemory& memory_;
  Metrics& metrics_;
  NativeInstructions native_;
  std::vector<Counter*> counters_;  // by mnemonic; null until first used
};

}  // namespace veneer
