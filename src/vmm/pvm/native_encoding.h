// Rewrites an instruction so that it can run in the VMM's process.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "decoder.h"
#include "veneer/vmm/vcpu/registers.h"

namespace veneer {

struct NativeEncoding {
  std::array<std::uint8_t, kMaxInstructionLength> bytes{};
  std::size_t length = 0;
  Reg scratch = Reg::kRax;           // holds the address of the memory operand, if there is one
  std::optional<Reg> stack_pointer;  // stands in for RSP, if that is an operand

  std::span<const std::uint8_t> code() const { return std::span(bytes).first(length); }
};

// The same operation in 64-bit mode on [scratch]. nullopt if there is no such encoding; what is
// returned has been decoded again and compared.
std::optional<NativeEncoding> EncodeForHost(const Instruction& instruction);

}  // namespace veneer
