// Ethernet frames as a guest on a user-mode network (10.0.2.0/24) makes and reads them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "veneer/host/net/net_link.h"

namespace veneer::testing {

using Frame = std::vector<std::byte>;

inline constexpr std::array<std::uint8_t, 6> kGuestMac{0x52, 0x54, 0, 0, 0, 1};
// libslirp's gateway: 52:55 and its address.
inline constexpr std::array<std::uint8_t, 6> kHostMac{0x52, 0x55, 10, 0, 2, 2};
inline constexpr std::array<std::uint8_t, 6> kEveryMac{255, 255, 255, 255, 255, 255};
inline constexpr std::uint32_t kHostIp = 0x0a000202;
inline constexpr std::uint32_t kNameServerIp = 0x0a000203;
inline constexpr std::uint32_t kGuestIp = 0x0a00020f;

inline constexpr std::uint16_t kArp = 0x0806;
inline constexpr std::uint16_t kIpv4 = 0x0800;
inline constexpr std::uint16_t kIpv6 = 0x86dd;
inline constexpr std::uint8_t kIcmp = 1;
inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;
inline constexpr std::uint8_t kIcmp6 = 58;

// Where things are in a frame with IPv4 and no options.
inline constexpr std::size_t kIpHeader = 14;
inline constexpr std::size_t kL4Header = kIpHeader + 20;

// Appends in network byte order.
class FrameWriter {
 public:
  FrameWriter& U8(unsigned value) {
    frame_.push_back(static_cast<std::byte>(value));
    return *this;
  }
  FrameWriter& U16(unsigned value) { return U8(value >> 8U & 0xffU).U8(value & 0xffU); }
  FrameWriter& U32(std::uint32_t value) { return U16(value >> 16U).U16(value & 0xffffU); }
  FrameWriter& Zeros(std::size_t count) {
    frame_.resize(frame_.size() + count);
    return *this;
  }
  template <typename Bytes>
  FrameWriter& Put(const Bytes& bytes) {
    for (const auto byte : bytes) {
      U8(static_cast<std::uint8_t>(byte));
    }
    return *this;
  }
  std::size_t size() const { return frame_.size(); }
  Frame& frame() { return frame_; }

 private:
  Frame frame_;
};

inline unsigned At8(std::span<const std::byte> frame, std::size_t at) {
  return at < frame.size() ? std::to_integer<unsigned>(frame[at]) : 0;
}
inline unsigned At16(std::span<const std::byte> frame, std::size_t at) {
  return At8(frame, at) << 8U | At8(frame, at + 1);
}
inline std::uint32_t At32(std::span<const std::byte> frame, std::size_t at) {
  return std::uint32_t{At16(frame, at)} << 16U | At16(frame, at + 2);
}
inline void Set16(std::span<std::byte> frame, std::size_t at, unsigned value) {
  frame[at] = static_cast<std::byte>(value >> 8U);
  frame[at + 1] = static_cast<std::byte>(value & 0xffU);
}

// Of 16-bit words (RFC 1071), not yet inverted.
inline std::uint32_t WordSum(std::span<const std::byte> bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += At16(bytes, i);
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return sum;
}

// Starts a frame with an IPv4 header for `length` more bytes.
inline FrameWriter Ipv4Frame(std::uint8_t protocol, std::uint32_t from, std::uint32_t to,
                             std::size_t length) {
  FrameWriter writer;
  writer.Put(kHostMac).Put(kGuestMac).U16(kIpv4);
  writer.U8(0x45).U8(0).U16(static_cast<unsigned>(20 + length)).U16(1).U16(0x4000);
  writer.U8(64).U8(protocol).U16(0).U32(from).U32(to);
  Frame& frame = writer.frame();
  Set16(frame, kIpHeader + 10, ~WordSum(std::span(frame).subspan(kIpHeader)) & 0xffffU);
  return writer;
}

// The sum that a partial checksum starts from.
inline std::uint32_t PseudoHeaderSum(std::uint8_t protocol, std::uint32_t from, std::uint32_t to,
                                     std::size_t length) {
  std::uint32_t sum = (from >> 16U) + (from & 0xffffU) + (to >> 16U) + (to & 0xffffU) + protocol +
                      static_cast<std::uint32_t>(length);
  sum = (sum & 0xffffU) + (sum >> 16U);
  return (sum & 0xffffU) + (sum >> 16U);
}

// What a guest says of a frame whose checksum, `offset` bytes behind the IPv4 header, only covers
// the pseudo header.
inline virtio_net_hdr PartialChecksum(std::uint16_t offset) {
  virtio_net_hdr header{};
  header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  header.csum_start = kL4Header;
  header.csum_offset = offset;
  return header;
}
inline constexpr std::uint16_t kUdpChecksum = 6;
inline constexpr std::uint16_t kTcpChecksum = 16;

// With a partial checksum.
inline Frame UdpFrame(std::uint32_t from, std::uint16_t from_port, std::uint32_t to,
                      std::uint16_t to_port, std::span<const std::byte> payload) {
  const std::size_t length = 8 + payload.size();
  FrameWriter writer = Ipv4Frame(kUdp, from, to, length);
  writer.U16(from_port).U16(to_port).U16(static_cast<unsigned>(length));
  writer.U16(PseudoHeaderSum(kUdp, from, to, length)).Put(payload);
  return writer.frame();
}

// Request (1) or reply (2) about IPv4 addresses.
inline Frame ArpFrame(unsigned operation, std::uint32_t from, std::uint32_t about) {
  FrameWriter writer;
  writer.Put(operation == 1 ? kEveryMac : kHostMac).Put(kGuestMac).U16(kArp);
  writer.U16(1).U16(kIpv4).U8(6).U8(4).U16(operation);
  writer.Put(kGuestMac).U32(from);
  writer.Put(operation == 1 ? std::array<std::uint8_t, 6>{} : kHostMac).U32(about);
  return writer.frame();
}

// An echo request, complete.
inline Frame PingFrame(std::uint32_t to) {
  FrameWriter writer = Ipv4Frame(kIcmp, kGuestIp, to, 16);
  writer.U8(8).U8(0).U16(0).U16(7).U16(1).Zeros(8);
  Frame& frame = writer.frame();
  Set16(frame, kL4Header + 2, ~WordSum(std::span(frame).subspan(kL4Header)) & 0xffffU);
  return frame;
}

// DHCPDISCOVER (1) or DHCPREQUEST (3) for `address`.
inline Frame DhcpFrame(unsigned type, std::uint32_t address = 0) {
  FrameWriter body;
  body.U8(1).U8(1).U8(6).U8(0).U32(0x12345678).U16(0).U16(0);
  body.Zeros(16).Put(kGuestMac).Zeros(10 + 192);
  body.U32(0x63825363).U8(53).U8(1).U8(type);
  if (address != 0) {
    body.U8(50).U8(4).U32(address);
  }
  body.U8(255);
  Frame frame = UdpFrame(0, 68, 0xffffffff, 67, body.frame());
  std::copy(kEveryMac.begin(), kEveryMac.end(), reinterpret_cast<std::uint8_t*>(frame.data()));
  return frame;
}

inline bool IsIpv4(std::span<const std::byte> frame, std::uint8_t protocol) {
  return At16(frame, 12) == kIpv4 && At8(frame, kIpHeader + 9) == protocol;
}
inline std::span<const std::byte> UdpPayload(std::span<const std::byte> frame) {
  return IsIpv4(frame, kUdp) && frame.size() >= kL4Header + 8 ? frame.subspan(kL4Header + 8)
                                                              : std::span<const std::byte>();
}

// The value of a DHCP message's option, nothing if it is not there.
inline std::optional<std::uint32_t> DhcpOption(std::span<const std::byte> frame, unsigned option) {
  const std::span<const std::byte> message = UdpPayload(frame);
  for (std::size_t at = 240; at < message.size() && At8(message, at) != 255;
       at += 2 + At8(message, at + 1)) {
    if (At8(message, at) == option) {
      return At8(message, at + 1) == 4 ? At32(message, at + 2) : At8(message, at + 2);
    }
  }
  return std::nullopt;
}

}  // namespace veneer::testing
