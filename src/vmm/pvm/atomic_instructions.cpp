// CMPXCHG8B and CMPXCHG16B, atomic towards the other vCPUs (Intel SDM vol. 2A).
#include <cstdint>
#include <cstring>

#include "handlers.h"

namespace veneer {
namespace {

struct Pair {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

// Compares and exchanges 16 bytes; `expected` becomes what was there. True if it was equal.
bool CompareExchange16(std::byte* target, Pair& expected, const Pair& desired) {
  bool equal = false;
  // No standard atomic of this size is sure to be this instruction, and the guest's is.
  asm volatile("lock cmpxchg16b (%[target])"
               : "=@ccz"(equal), "+a"(expected.low), "+d"(expected.high)
               : [target] "r"(target), "b"(desired.low), "c"(desired.high)
               : "memory");
  return equal;
}

bool CompareExchange8(LinearRange& range, std::uint64_t& expected, std::uint64_t desired) {
  std::byte* target = range.Contiguous().data();
  // The address as a number, for its alignment.
  if (target != nullptr && reinterpret_cast<std::uintptr_t>(target) % sizeof(desired) == 0) {
    return SharedWord<std::uint64_t>(target).compare_exchange_strong(expected, desired);
  }
  // Split locks are not worth stopping the host's buses for: no two vCPUs use such a word at once.
  std::uint64_t current = 0;
  range.CopyOut(std::as_writable_bytes(std::span(&current, 1)));
  const bool equal = current == expected;
  expected = current;
  if (equal) {
    range.CopyIn(std::as_bytes(std::span(&desired, 1)));
  }
  return equal;
}

void SetZero(InstructionContext& context, bool equal) {
  Registers& registers = context.registers();
  registers.rflags = equal ? registers.rflags | kRflagsZero : registers.rflags & ~kRflagsZero;
}

Completion CompareExchange16Bytes(InstructionContext& context) {
  LinearMemory::Resolved range =
      context.Resolve(context.operand(0), sizeof(Pair), AccessKind::kWrite, sizeof(Pair));
  if (!range) {
    return range.error();
  }
  Registers& registers = context.registers();
  Pair expected{registers[Reg::kRax], registers[Reg::kRdx]};
  const Pair desired{registers[Reg::kRbx], registers[Reg::kRcx]};
  // Aligned, so it does not cross a page.
  const bool equal = CompareExchange16(range->Contiguous().data(), expected, desired);
  if (!equal) {
    registers[Reg::kRax] = expected.low;
    registers[Reg::kRdx] = expected.high;
  }
  SetZero(context, equal);
  return Completed{};
}

std::uint64_t Join(std::uint64_t high, std::uint64_t low) {
  return high << 32U | (low & 0xffffffff);
}

Completion CompareExchange8Bytes(InstructionContext& context) {
  LinearMemory::Resolved range =
      context.Resolve(context.operand(0), sizeof(std::uint64_t), AccessKind::kWrite);
  if (!range) {
    return range.error();
  }
  Registers& registers = context.registers();
  std::uint64_t expected = Join(registers[Reg::kRdx], registers[Reg::kRax]);
  const std::uint64_t desired = Join(registers[Reg::kRcx], registers[Reg::kRbx]);
  const bool equal = CompareExchange8(*range, expected, desired);
  if (!equal) {
    registers[Reg::kRax] = expected & 0xffffffff;
    registers[Reg::kRdx] = expected >> 32U;
  }
  SetZero(context, equal);
  return Completed{};
}

}  // namespace

InstructionHandler FindAtomicInstruction(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_CMPXCHG16B:
      return CompareExchange16Bytes;
    case ZYDIS_MNEMONIC_CMPXCHG8B:
      return CompareExchange8Bytes;
    default:
      return nullptr;
  }
}

}  // namespace veneer
