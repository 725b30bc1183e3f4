// The conditions under which FPU instructions fault before they do anything (Intel SDM vol. 3,
// 2.5 and 13.1).
#pragma once

#include <optional>

#include "completion.h"
#include "instruction_context.h"

namespace veneer {

enum class FpuKind {
  kX87,
  kMmx,
  kSse,
  kAvx,
  kXsave,   // XSAVE and its family
  kFxsave,  // FXSAVE and FXRSTOR
};

// The fault that the guest's CR0, CR4 and XCR0 demand, if any.
std::optional<Faulted> FpuUnavailable(InstructionContext& context, FpuKind kind);

}  // namespace veneer
