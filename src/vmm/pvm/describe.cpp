// The report about an instruction that nobody knows.
#include <algorithm>
#include <array>
#include <iterator>
#include <string>

#include <fmt/format.h>

#include "decoder.h"
#include "linear_memory.h"
#include "veneer/vmm/pvm/pvm_assists.h"

namespace veneer {
namespace {

constexpr std::array<const char*, 16> kNames = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP",
                                                "RSI", "RDI", "R8",  "R9",  "R10", "R11",
                                                "R12", "R13", "R14", "R15"};

struct Code {
  std::array<std::uint8_t, kMaxInstructionLength> bytes{};
  std::size_t length = 0;

  std::span<const std::uint8_t> valid() const { return std::span(bytes).first(length); }
};

// From KVM, or from guest memory where it said nothing; up to the end of the page then.
Code CodeAt(const EmulationFailureExit& exit, GuestMemory& memory, const Registers& registers,
            const SystemRegisters& system) {
  Code code;
  code.bytes = exit.bytes;
  code.length = std::min<std::size_t>(exit.length, code.bytes.size());
  if (code.length != 0) {
    return code;
  }
  LinearMemory view(memory, system);
  view.SetPrivilege(registers.rflags, 0);
  const bool wide = CurrentCodeMode(system) == CodeMode::k64;
  const std::uint64_t linear = wide ? registers.rip : system.cs.base + registers.rip;
  const std::size_t length = std::min(code.bytes.size(), kPageSize - (linear & (kPageSize - 1)));
  const LinearMemory::Resolved range = view.Resolve(linear, length, AccessKind::kFetch);
  if (range) {
    range->CopyOut(std::as_writable_bytes(std::span(code.bytes).first(length)));
    code.length = length;
  }
  return code;
}

std::string InstructionText(const Code& code, CodeMode mode, std::uint64_t rip) {
  if (code.length == 0) {
    return "(no memory at that address)";
  }
  const Decoding decoding = Decode(mode, code.valid());
  const auto* instruction = std::get_if<Instruction>(&decoding);
  return instruction == nullptr ? "(not a valid instruction)" : Disassemble(*instruction, rip);
}

}  // namespace

std::string DescribeFailure(Vcpu& vcpu, GuestMemory& memory, const EmulationFailureExit& exit) {
  const Registers registers = vcpu.GetRegisters();
  const SystemRegisters system = vcpu.GetSystemRegisters();
  const Code code = CodeAt(exit, memory, registers, system);
  std::string text;
  auto out = std::back_inserter(text);
  fmt::format_to(
      out, "vCPU {}: neither KVM nor Veneer knows how to emulate the instruction at RIP {:#018x}\n",
      vcpu.id(), registers.rip);
  fmt::format_to(out, "  code  {:02x}\n", fmt::join(code.valid(), " "));
  fmt::format_to(out, "  is    {}\n",
                 InstructionText(code, CurrentCodeMode(system), registers.rip));
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    fmt::format_to(out, "  {:<6}{:016x}{}", kNames[i], registers.gpr[i], i % 4 == 3 ? "\n" : "");
  }
  fmt::format_to(out, "  RFLAGS {:08x}  CS {:04x} (base {:x}, {}-bit)  SS {:04x}\n",
                 registers.rflags, system.cs.selector, system.cs.base,
                 system.cs.long_mode ? 64 : (system.cs.default_size ? 32 : 16), system.ss.selector);
  fmt::format_to(out, "  FS base {:016x}  GS base {:016x}\n", system.fs.base, system.gs.base);
  fmt::format_to(out, "  CR0 {:08x}  CR2 {:016x}  CR3 {:016x}  CR4 {:08x}  EFER {:x}", system.cr0,
                 system.cr2, system.cr3, system.cr4, system.efer);
  return text;
}

}  // namespace veneer
