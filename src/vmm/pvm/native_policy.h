// Which instructions may run on the host's own processor in the guest's place, and what has to be
// right before they do.
//
// Only instructions that any user program may execute, that touch nothing but general registers,
// status flags, FPU state and one explicit memory operand, and that cannot fault once this has been
// checked. Everything else is refused: what runs here runs with the VMM's rights.
#pragma once

#include <cstddef>
#include <optional>

#include "decoder.h"

namespace veneer {

struct NativeTraits {
  bool x87 = false;
  bool mmx = false;
  bool sse = false;
  bool avx = false;
  bool on_this_host = false;  // the processor has it
  // Index of the memory operand.
  std::optional<std::size_t> memory;
  std::size_t memory_size = 0;  // bytes, 0 to 64
  std::size_t alignment = 1;    // bytes that the instruction asks of its address, else #GP
  bool writes_memory = false;

  bool uses_fpu() const { return x87 || mmx || sse || avx; }
};

// nullopt: refused.
std::optional<NativeTraits> NativeTraitsOf(const Instruction& instruction);

}  // namespace veneer
