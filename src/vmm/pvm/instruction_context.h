// Everything one emulated instruction works on: the vCPU's state before it, the changes it makes,
// and its operands.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "completion.h"
#include "decoder.h"
#include "linear_memory.h"
#include "veneer/vmm/vcpu/registers.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// Whether a 64-bit address is one that the current paging mode can translate.
bool IsCanonical(std::uint64_t address, const SystemRegisters& system);

// Changes are kept here until Commit(); an instruction that faults leaves the vCPU as it was.
class InstructionContext {
 public:
  InstructionContext(Vcpu& vcpu, GuestMemory& memory);
  InstructionContext(const InstructionContext&) = delete;
  InstructionContext& operator=(const InstructionContext&) = delete;

  // Reads the instruction at RIP, from `known` if that is enough and else from guest memory.
  // nullopt: decoded and ready. Otherwise what becomes of it.
  std::optional<Completion> Fetch(std::span<const std::uint8_t> known);

  Vcpu& vcpu() { return vcpu_; }
  const Instruction& instruction() const { return instruction_; }
  std::span<const std::uint8_t> bytes() const {
    return std::span(bytes_).first(instruction_.info.length);
  }
  ZydisMnemonic mnemonic() const { return instruction_.info.mnemonic; }
  const ZydisDecodedOperand& operand(std::size_t index) const {
    return instruction_.operand_storage.at(index);
  }

  CodeMode mode() const { return mode_; }
  unsigned cpl() const { return cpl_; }

  Registers& registers() { return registers_; }
  const SystemRegisters& system() const { return system_; }
  // For changing them.
  SystemRegisters& ChangeSystem() {
    system_changed_ = true;
    return system_;
  }
  // The FPU state, fetched on first use, with initial values filled in.
  const XsaveArea& fpu();
  XsaveArea& ChangeFpu();

  // The general register behind a Zydis register of any width, its high byte forms excluded.
  std::uint64_t ReadRegister(ZydisRegister reg) const;
  // As the processor writes a register of that width: 32 bits clear the upper half.
  void WriteRegister(ZydisRegister reg, std::uint64_t value);

  // The linear address of a memory operand of `size` bytes, or the fault that it is.
  std::variant<std::uint64_t, Faulted> LinearAddress(const ZydisDecodedOperand& operand,
                                                     std::size_t size) const;
  // Address, rights and host memory of a memory operand. `alignment` (a power of two): #GP if the
  // address does not have it.
  LinearMemory::Resolved Resolve(const ZydisDecodedOperand& operand, std::size_t size,
                                 AccessKind access, std::size_t alignment = 1) const;
  const LinearMemory& memory() const { return memory_; }

  // Makes the vCPU what the instruction has made of it, and injects what has to be injected. False
  // for NotKnown, or if the host refused the new state.
  [[nodiscard]] bool Commit(const Completion& completion);

 private:
  std::size_t FetchFromMemory(Completion& failure);
  bool CommitCompleted(const Completed& completed);
  void CommitFault(const Faulted& faulted);

  Vcpu& vcpu_;
  const Registers original_;
  Registers registers_;
  SystemRegisters system_;
  CodeMode mode_;
  unsigned cpl_;
  LinearMemory memory_;
  std::array<std::uint8_t, kMaxInstructionLength> bytes_{};
  Instruction instruction_{};
  std::optional<XsaveArea> fpu_;
  bool system_changed_ = false;
  bool fpu_changed_ = false;
};

}  // namespace veneer
