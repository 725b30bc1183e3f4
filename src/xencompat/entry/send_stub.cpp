#include "send_stub.h"

#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {

Code OutEax(std::uint8_t port) { return {0xe7, port}; }

Code SendOrFallThrough(GuestWidth width, const HypercallPorts& ports, std::uint8_t slow_length) {
  const bool wide = width == GuestWidth::k64;
  // The arguments of a hypercall: RDI and RSI for 64-bit code, EBX and ECX for 32-bit code.
  const std::uint8_t compare_command = wide ? 0xff : 0xfb;  // cmp edi|ebx, imm8
  const std::uint8_t load_port = wide ? 0x06 : 0x01;        // mov eax, [rsi|ecx]
  Code code = {
      0x83, compare_command, EVTCHNOP_send,  // cmp edi, EVTCHNOP_send
      0x75, 10,                              // jne to the end of this piece
      0x8b, load_port,                       // mov eax, [rsi]
      0xe7, ports.send,                      // out send, eax
      // The comparison left carry clear; set, it says that userspace has put an error into RAX.
      0x72, static_cast<std::uint8_t>(4 + slow_length),  // jc behind the slow part
      0x31, 0xc0,                                        // xor eax, eax
      kOpcodeJmp8, slow_length,                          // jmp behind the slow part
  };
  return code;
}

void Append(Code& code, const Code& tail) { code.insert(code.end(), tail.begin(), tail.end()); }

}  // namespace veneer
