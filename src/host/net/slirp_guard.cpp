#include "slirp_guard.h"

#include <algorithm>

#include "veneer/host/net/frame_format.h"

namespace veneer {
namespace {

// 0 behind the frame's end, where libslirp looks at nothing either.
unsigned Byte(std::span<const std::byte> frame, std::size_t at) {
  return at < frame.size() ? std::to_integer<unsigned>(frame[at]) : 0;
}
unsigned Word(std::span<const std::byte> frame, std::size_t at) {
  return Byte(frame, at) << 8U | Byte(frame, at + 1);
}

// Whether the frame can make libslirp open a socket: any but one of a TCP connection that is there
// already, and what is neither kind of IP.
bool MayOpenSocket(std::span<const std::byte> frame) {
  std::size_t tcp = 0;
  unsigned protocol = 0;
  switch (Word(frame, kEthernetBytes - 2)) {
    case kTypeIpv4:
      protocol = Byte(frame, kEthernetBytes + 9);
      tcp = kEthernetBytes + (Byte(frame, kEthernetBytes) & 0xfU) * 4;
      break;
    case kTypeIpv6:
      protocol = Byte(frame, kEthernetBytes + 6);
      tcp = kEthernetBytes + kIpv6Bytes;
      break;
    default:
      return false;
  }
  return protocol != kProtocolTcp ||
         (Byte(frame, tcp + kTcpFlags) & (kTcpSyn | kTcpAck)) != kTcpAck;
}

}  // namespace

std::size_t SlirpGuard::MaxSockets(std::size_t files) {
  constexpr std::size_t kLeast = 16;
  return std::clamp(files / 4, kLeast, kMaxSockets);
}

bool SlirpGuard::Admits(std::span<const std::byte> frame, std::size_t sockets, std::size_t most) {
  return sockets < most || !MayOpenSocket(frame);
}

}  // namespace veneer
