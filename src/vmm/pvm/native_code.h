// Runs one instruction on the host's processor with given register contents.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "veneer/vmm/vcpu/registers.h"

namespace veneer {

// What the processor holds before and after. The assembly in native_code.cpp knows the offsets.
struct alignas(64) NativeFrame {
  XsaveArea fpu{};  // standard format
  std::array<std::uint64_t, 16> gpr{};
  std::uint64_t rflags = 2;  // status flags only
  const void* entry = nullptr;
  std::uint64_t fpu_components = 0;  // which of `fpu` to load and store; 0: leave the FPU alone
  std::uint32_t host_mxcsr = 0;
  std::uint16_t host_control_word = 0;
  alignas(64) std::array<std::byte, 64> operand{};  // the memory operand
};

// Executable memory for a number of instructions. Not thread-safe.
class NativeCode {
 public:
  static constexpr std::size_t kSlots = 256;

  // nullptr if the host does not let us have executable memory.
  static std::unique_ptr<NativeCode> Create();
  NativeCode(const NativeCode&) = delete;
  NativeCode& operator=(const NativeCode&) = delete;
  ~NativeCode();

  // Puts a machine instruction (up to 15 bytes, 64-bit mode) into a slot. False if the host does
  // not let us.
  [[nodiscard]] bool Write(std::size_t slot, std::span<const std::uint8_t> instruction);

  // Runs the instruction of `slot` with the contents of `frame`; RSP and what is not in the frame
  // are the VMM's own. The instruction must be one that cannot fault then.
  void Run(std::size_t slot, NativeFrame& frame) const;

 private:
  explicit NativeCode(std::byte* pages) : pages_(pages) {}

  std::byte* pages_;
};

// The state components that Run() can load and store; 0: no FPU instruction can be run.
std::uint64_t NativeFpuComponents();

}  // namespace veneer
