// Machine code to instruction, by Zydis.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include <Zydis/Zydis.h>

#include "veneer/vmm/vcpu/registers.h"

namespace veneer {

inline constexpr std::size_t kMaxInstructionLength = 15;  // Intel SDM vol. 2, 2.3.11

enum class CodeMode { k16, k32, k64 };

// What CS.L and CS.D say about the code at RIP.
CodeMode CurrentCodeMode(const SystemRegisters& system);

struct Instruction {
  ZydisDecodedInstruction info;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operand_storage;

  std::span<const ZydisDecodedOperand> operands() const {
    return std::span(operand_storage).first(info.operand_count);
  }
  std::span<const ZydisDecodedOperand> visible_operands() const {
    return std::span(operand_storage).first(info.operand_count_visible);
  }
};

struct TooFewBytes {};
struct Undecodable {};
using Decoding = std::variant<Instruction, TooFewBytes, Undecodable>;

// Reads one instruction from the beginning of `bytes`.
Decoding Decode(CodeMode mode, std::span<const std::uint8_t> bytes);

// Intel syntax. `rip` is the instruction's own address.
std::string Disassemble(const Instruction& instruction, std::uint64_t rip);

}  // namespace veneer
