#include "slirp_guard.h"

#include <algorithm>

namespace veneer {
namespace {

constexpr std::size_t kIp = 14;  // behind the Ethernet header
constexpr unsigned kIpv4 = 0x0800;
constexpr unsigned kIpv6 = 0x86dd;
constexpr unsigned kTcp = 6;

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
  constexpr std::size_t kTcpFlags = 13;
  constexpr unsigned kSyn = 2;
  constexpr unsigned kAck = 16;
  std::size_t tcp = 0;
  unsigned protocol = 0;
  switch (Word(frame, kIp - 2)) {
    case kIpv4:
      protocol = Byte(frame, kIp + 9);
      tcp = kIp + (Byte(frame, kIp) & 0xfU) * 4;
      break;
    case kIpv6:
      protocol = Byte(frame, kIp + 6);
      tcp = kIp + 40;
      break;
    default:
      return false;
  }
  return protocol != kTcp || (Byte(frame, tcp + kTcpFlags) & (kSyn | kAck)) != kAck;
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
