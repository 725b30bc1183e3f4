// Frames for tests: whole ones with right checksums, and the pieces of a parser's nightmares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace veneer::testing {

enum class Ip { kV4, kV6 };
enum class Transport { kTcp, kUdp };

inline void Put16(std::vector<std::byte>& bytes, std::size_t at, unsigned value) {
  bytes.at(at) = static_cast<std::byte>(value >> 8U);
  bytes.at(at + 1) = static_cast<std::byte>(value);
}
inline unsigned Get16(const std::vector<std::byte>& bytes, std::size_t at) {
  return static_cast<unsigned>(bytes.at(at)) << 8U | static_cast<unsigned>(bytes.at(at + 1));
}

// The ones' complement sum of RFC 1071 over [from, to), continued from `sum`; folded.
inline unsigned Sum(const std::vector<std::byte>& bytes, std::size_t from, std::size_t to,
                    unsigned sum = 0) {
  for (std::size_t i = from; i < to; i += 2) {
    sum += static_cast<unsigned>(bytes.at(i)) << 8U;
    sum += i + 1 < to ? static_cast<unsigned>(bytes.at(i + 1)) : 0U;
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >> 16U);
  }
  return sum;
}

struct FrameShape {
  Ip ip = Ip::kV4;
  Transport transport = Transport::kTcp;
  std::size_t payload = 100;    // bytes
  unsigned vlan_tags = 0;       // before the IP header
  std::size_t ip_options = 0;   // bytes of IPv4 options or IPv6 extension headers; multiple of 8
  std::size_t tcp_options = 0;  // bytes; multiple of 4

  std::size_t ip_offset() const { return 14 + vlan_tags * std::size_t{4}; }
  std::size_t transport_offset() const {
    return ip_offset() + (ip == Ip::kV4 ? 20 : 40) + ip_options;
  }
  std::size_t transport_header() const {
    return transport == Transport::kTcp ? 20 + tcp_options : 8;
  }
  std::size_t headers() const { return transport_offset() + transport_header(); }
  std::size_t bytes() const { return headers() + payload; }
  std::size_t checksum_at() const {
    return transport_offset() + (transport == Transport::kTcp ? 16 : 6);
  }
};

// What the pseudo header of `frame`, which has this shape, adds up to.
inline unsigned PseudoSum(const std::vector<std::byte>& frame, const FrameShape& shape) {
  const std::size_t length = shape.transport_header() + shape.payload;
  const unsigned protocol = shape.transport == Transport::kTcp ? 6 : 17;
  const std::size_t from = shape.ip_offset() + (shape.ip == Ip::kV4 ? 12 : 8);
  const std::size_t to = from + (shape.ip == Ip::kV4 ? 8 : 32);
  return Sum(frame, from, to, protocol + static_cast<unsigned>(length));
}

// With headers that are right and a checksum that is complete.
inline std::vector<std::byte> MakeFrame(const FrameShape& shape) {
  std::vector<std::byte> frame(shape.bytes());
  for (std::size_t i = 0; i < frame.size(); ++i) {
    frame[i] = static_cast<std::byte>(i * 7 + i / 251);
  }
  constexpr std::string_view kAddresses = "\x52\x54\0\x12\x34\x56\x52\x54\0\xaa\xbb\xcc";
  for (std::size_t i = 0; i < 12; ++i) {
    frame[i] = static_cast<std::byte>(kAddresses[i]);
  }
  for (unsigned tag = 0; tag < shape.vlan_tags; ++tag) {
    Put16(frame, 12 + tag * std::size_t{4}, 0x8100);
  }
  const std::size_t ip = shape.ip_offset();
  const unsigned protocol = shape.transport == Transport::kTcp ? 6 : 17;
  Put16(frame, ip - 2, shape.ip == Ip::kV4 ? 0x0800 : 0x86dd);
  if (shape.ip == Ip::kV4) {
    const std::size_t header = 20 + shape.ip_options;
    frame[ip] = static_cast<std::byte>(0x40U | header / 4);
    Put16(frame, ip + 2, static_cast<unsigned>(shape.bytes() - ip));
    Put16(frame, ip + 6, 0x4000);
    frame[ip + 9] = static_cast<std::byte>(protocol);
    Put16(frame, ip + 10, 0);
    Put16(frame, ip + 10, ~Sum(frame, ip, ip + header) & 0xffffU);
  } else {
    frame[ip] = std::byte{0x60};
    Put16(frame, ip + 4, static_cast<unsigned>(shape.bytes() - ip - 40));
    frame[ip + 6] = static_cast<std::byte>(shape.ip_options > 0 ? 60U : protocol);
    if (shape.ip_options > 0) {
      frame[ip + 40] = static_cast<std::byte>(protocol);
      frame[ip + 41] = static_cast<std::byte>(shape.ip_options / 8 - 1);
    }
  }
  const std::size_t transport = shape.transport_offset();
  if (shape.transport == Transport::kTcp) {
    frame[transport + 12] = static_cast<std::byte>(shape.transport_header() / 4 << 4U);
  } else {
    Put16(frame, transport + 4, static_cast<unsigned>(8 + shape.payload));
  }
  Put16(frame, shape.checksum_at(), 0);
  Put16(frame, shape.checksum_at(),
        ~Sum(frame, transport, frame.size(), PseudoSum(frame, shape)) & 0xffffU);
  return frame;
}

}  // namespace veneer::testing
