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

bool IsFragment(std::span<const std::byte> frame) {
  constexpr unsigned kMoreOrOffset = 0x3fff;
  return Word(frame, kIp - 2) == kIpv4 && (Word(frame, kIp + 6) & kMoreOrOffset) != 0;
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

bool SlirpGuard::Admits(std::span<const std::byte> frame, std::size_t sockets,
                        std::uint64_t now_ns) {
  if (sockets >= kMaxSockets && MayOpenSocket(frame)) {
    return false;
  }
  if (!IsFragment(frame)) {
    return true;
  }
  if (fragments_.DelayNs(now_ns) > 0) {
    return false;
  }
  fragments_.Charge(std::max<std::uint64_t>(frame.size(), kLeastFragment), now_ns);
  return true;
}

}  // namespace veneer
