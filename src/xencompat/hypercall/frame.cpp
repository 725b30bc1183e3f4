#include "veneer/xencompat/hypercall/frame.h"

namespace veneer {
namespace {

enum Encoding : std::size_t {
  kRax = 0,
  kRcx = 1,
  kRdx = 2,
  kRbx = 3,
  kRbp = 5,
  kRsi = 6,
  kRdi = 7,
  kR8 = 8,
  kR9 = 9,
  kR10 = 10
};

}  // namespace

HypercallFrame FrameFromIntercept(std::uint64_t number, const std::array<std::uint64_t, 6>& args,
                                  bool long_mode, std::uint8_t cpl) {
  HypercallFrame frame;
  frame.number = number;
  frame.args = args;
  frame.width = long_mode ? GuestWidth::k64 : GuestWidth::k32;
  frame.cpl = cpl;
  if (!long_mode) {
    // The upper halves are left over from 64-bit code and mean nothing.
    frame.number &= 0xffffffffU;
    for (std::uint64_t& arg : frame.args) {
      arg &= 0xffffffffU;
    }
  }
  return frame;
}

HypercallFrame FrameFromRegisters(std::span<const std::uint64_t, 16> gpr, bool long_mode,
                                  std::uint8_t cpl) {
  const std::array<std::uint64_t, 6> args =
      long_mode ? std::array{gpr[kRdi], gpr[kRsi], gpr[kRdx], gpr[kR10], gpr[kR8], gpr[kR9]}
                : std::array{gpr[kRbx], gpr[kRcx], gpr[kRdx], gpr[kRsi], gpr[kRdi], gpr[kRbp]};
  return FrameFromIntercept(gpr[kRax], args, long_mode, cpl);
}

}  // namespace veneer
