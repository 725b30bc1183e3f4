// The machine code that both the hypercall page and the patched call sites use to let
// EVTCHNOP_send leave through a port of its own (Intel SDM vol. 2 for the encodings).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "veneer/xencompat/abi/xen_types.h"
#include "veneer/xencompat/entry/ports.h"

namespace veneer {

using Code = std::vector<std::uint8_t>;

inline constexpr std::uint8_t kOpcodeRet = 0xc3;
inline constexpr std::uint8_t kOpcodeJmp32 = 0xe9;
inline constexpr std::uint8_t kOpcodeJmp8 = 0xeb;
inline constexpr std::uint8_t kOpcodeNop = 0x90;
inline constexpr std::uint8_t kOpcodeInt3 = 0xcc;

// `out port, eax`.
Code OutEax(std::uint8_t port);

// For code that already knows that the call is event_channel_op: if the sub-operation is
// EVTCHNOP_send, send and go on behind this piece plus `slow_length` bytes, with RAX set; otherwise
// go on right behind it. Changes RAX and the flags only.
Code SendOrFallThrough(GuestWidth width, const HypercallPorts& ports, std::uint8_t slow_length);

void Append(Code& code, const Code& tail);

}  // namespace veneer
