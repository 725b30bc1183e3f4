// A hypercall as every transport delivers it: number, arguments, and the mode it was made in
// (register conventions: xen/arch-x86/xen-x86_64.h, xen-x86_32.h).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "veneer/xencompat/abi/xen_errno.h"
#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

struct HypercallFrame {
  std::uint64_t number = 0;
  // For 32-bit code, zero-extended.
  std::array<std::uint64_t, 6> args{};
  GuestWidth width = GuestWidth::k64;  // of the calling code
  std::uint8_t cpl = 0;
};

// For calls that leave through an I/O port: takes number and arguments from the general registers,
// indexed by their encoding in machine code (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, ...).
// `long_mode`: the code segment is a 64-bit one.
HypercallFrame FrameFromRegisters(std::span<const std::uint64_t, 16> gpr, bool long_mode,
                                  std::uint8_t cpl);

// For calls that KVM_XEN intercepted: it has sorted out the registers, but not their width.
HypercallFrame FrameFromIntercept(std::uint64_t number, const std::array<std::uint64_t, 6>& args,
                                  bool long_mode, std::uint8_t cpl);

// What a handler returns.
struct CallResult {
  // Both implicit: handlers return numbers and -errno.
  constexpr CallResult(std::int64_t result)
      : value(result) {}                     // NOLINT(google-explicit-constructor)
  CallResult(const XenResult<void>& result)  // NOLINT(google-explicit-constructor)
      : value(ReturnValue(result)) {}
  // The call has made a break; the frame has been changed so that it goes on where it stopped.
  static constexpr CallResult Again() {
    CallResult result(0);
    result.again = true;
    return result;
  }

  std::int64_t value;
  bool again = false;
};

// What belongs into RAX: 32-bit code gets the low half.
constexpr std::uint64_t RaxOf(const CallResult& result, GuestWidth width) {
  const auto value = static_cast<std::uint64_t>(result.value);
  return width == GuestWidth::k64 ? value : value & 0xffffffffU;
}

}  // namespace veneer
