#include "fpu_availability.h"

#include "fpu_state.h"

namespace veneer {
namespace {

constexpr std::uint64_t kCr0EmulateFpu = 1U << 2;
constexpr std::uint64_t kCr0TaskSwitched = 1U << 3;

bool IsUndefined(InstructionContext& context, FpuKind kind) {
  const SystemRegisters& system = context.system();
  const bool emulate = (system.cr0 & kCr0EmulateFpu) != 0;
  switch (kind) {
    case FpuKind::kX87:
    case FpuKind::kFxsave:
      return false;
    case FpuKind::kMmx:
      return emulate;
    case FpuKind::kSse:
      return emulate || (system.cr4 & kCr4Osfxsr) == 0;
    case FpuKind::kXsave:
      return (system.cr4 & kCr4Osxsave) == 0;
    case FpuKind::kAvx: {
      constexpr std::uint64_t kNeeded = kXfeatureSse | kXfeatureAvx;
      return (system.cr4 & kCr4Osxsave) == 0 || (context.vcpu().GetXcr0() & kNeeded) != kNeeded;
    }
  }
  return true;
}

}  // namespace

std::optional<Faulted> FpuUnavailable(InstructionContext& context, FpuKind kind) {
  if (IsUndefined(context, kind)) {
    return InvalidOpcode();
  }
  const std::uint64_t cr0 = context.system().cr0;
  const bool emulation_traps = kind == FpuKind::kX87 || kind == FpuKind::kFxsave;
  if ((cr0 & kCr0TaskSwitched) != 0 || (emulation_traps && (cr0 & kCr0EmulateFpu) != 0)) {
    return WithoutErrorCode(kVectorNoFpu);
  }
  return std::nullopt;
}

}  // namespace veneer
