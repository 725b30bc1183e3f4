#include "vcpu_report.h"

#include <fmt/format.h>

namespace veneer {
namespace {

const char* ActivityText(InterruptState::Activity activity) {
  switch (activity) {
    case InterruptState::Activity::kRuns:
      return "runs";
    case InterruptState::Activity::kHalted:
      return "halted";
    case InterruptState::Activity::kWaitsForInit:
      return "not started";
    case InterruptState::Activity::kOther:
      break;
  }
  return "in another state";
}

std::string Vectors(const std::vector<std::uint8_t>& vectors) {
  return fmt::format("[{:#x}]", fmt::join(vectors, " "));
}

}  // namespace

std::string VcpuReport(Vcpu& vcpu) {
  const Registers registers = vcpu.GetRegisters();
  const InterruptState state = vcpu.GetInterruptState();
  return fmt::format("vCPU {}: {}, rip={:#x} rsp={:#x} if={} irr={} isr={} tpr={:#x}", vcpu.id(),
                     ActivityText(state.activity), registers.rip, registers[Reg::kRsp],
                     (registers.rflags & kRflagsInterrupt) != 0 ? 1 : 0, Vectors(state.requested),
                     Vectors(state.in_service), state.task_priority);
}

}  // namespace veneer
