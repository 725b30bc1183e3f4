// One vCPU's assists in their order.
#include "veneer/vmm/pvm/pvm_assists.h"

#include <memory>

#include "instruction_assist.h"
#include "syscall_assist.h"

namespace veneer {
namespace {

class PvmAssists : public ExitHandler {
 public:
  PvmAssists(GuestMemory& memory, Metrics& metrics)
      : instructions_(memory, metrics), syscalls_(memory, instructions_, metrics) {}

  Outcome OnExit(Vcpu& vcpu, const VcpuExit& exit) override {
    if (syscalls_.OnExit(vcpu, exit) == Outcome::kHandled) {
      return Outcome::kHandled;
    }
    const Outcome outcome = instructions_.OnExit(vcpu, exit);
    if (outcome == Outcome::kHandled) {
      syscalls_.AfterRipMoved(vcpu);
    }
    return outcome;
  }

 private:
  InstructionAssist instructions_;
  SyscallAssist syscalls_;
};

}  // namespace

std::unique_ptr<ExitHandler> MakePvmAssists(GuestMemory& memory, Metrics& metrics) {
  return std::make_unique<PvmAssists>(memory, metrics);
}

}  // namespace veneer
