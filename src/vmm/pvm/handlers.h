// The instructions whose meaning is written out here because they are privileged, touch state that
// only KVM has, or must be atomic. All others of interest run natively (native_instruction.h).
#pragma once

#include <Zydis/Zydis.h>

#include "completion.h"
#include "instruction_context.h"

namespace veneer {

// Performs the decoded instruction of the context on the context, without committing it.
using InstructionHandler = Completion (*)(InstructionContext&);

// Each looks through one group; nullptr if the instruction is not in it.
InstructionHandler FindSystemInstruction(ZydisMnemonic mnemonic);
InstructionHandler FindAtomicInstruction(ZydisMnemonic mnemonic);
InstructionHandler FindFpuInstruction(ZydisMnemonic mnemonic);
InstructionHandler FindXsaveInstruction(ZydisMnemonic mnemonic);
InstructionHandler FindSegmentInstruction(ZydisMnemonic mnemonic);

}  // namespace veneer
