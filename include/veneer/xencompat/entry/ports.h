// The two I/O ports through which hypercalls leave a guest on a host whose KVM knows no Xen.
#pragma once

#include <cstdint>

namespace veneer {

// Both below 0x100: `out imm8, eax` is the only form that needs no register for the port, and a
// hypercall has none to spare.
struct HypercallPorts {
  // 32-bit writes: EAX is the hypercall's number, the arguments are in the ABI's registers. The
  // machine puts the result into RAX.
  std::uint8_t call = 0;
  // 32-bit writes: EAX is the event channel to send on. The machine has one ioeventfd per bound
  // channel here (datamatch = channel, 4 bytes), in which case the guest finds success in RAX
  // without an exit to userspace. An exit to userspace means that no ioeventfd matched: the machine
  // sends itself; for a failure it puts the result into RAX and sets the carry flag, for success it
  // leaves both alone.
  std::uint8_t send = 0;
};

}  // namespace veneer
