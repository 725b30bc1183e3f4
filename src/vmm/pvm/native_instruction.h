// Instructions that are performed by the host's own processor: their registers and their memory
// operand are replaced by copies of the guest's.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "completion.h"
#include "instruction_context.h"
#include "native_code.h"
#include "native_policy.h"

namespace veneer {

// One per vCPU, on its thread.
class NativeInstructions {
 public:
  NativeInstructions() = default;
  NativeInstructions(const NativeInstructions&) = delete;
  NativeInstructions& operator=(const NativeInstructions&) = delete;

  // Like an InstructionHandler.
  Completion Perform(InstructionContext& context);

 private:
  // An instruction as it is run: its memory operand is [scratch], and RSP is another register.
  struct Prepared {
    std::size_t slot = 0;
    NativeTraits traits;
    Reg scratch = Reg::kRax;
    std::optional<Reg> stack_pointer;
  };
  // The bytes determine the instruction together with the mode.
  using Key = std::pair<CodeMode, std::array<std::uint8_t, kMaxInstructionLength>>;

  const Prepared* Prepare(const InstructionContext& context);
  std::optional<Completion> Check(InstructionContext& context, const NativeTraits& traits);
  void LoadFrame(InstructionContext& context, const Prepared& prepared);
  std::optional<Completion> StoreFpu(InstructionContext& context, const NativeTraits& traits,
                                     bool& suppressed);
  void StoreGeneral(InstructionContext& context, const Prepared& prepared) const;

  std::unique_ptr<NativeCode> code_;
  std::map<Key, Prepared> prepared_;  // at most NativeCode::kSlots
  NativeFrame frame_;
};

}  // namespace veneer
