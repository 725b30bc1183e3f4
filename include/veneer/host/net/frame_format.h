// What frames are made of, as far as anybody here looks into them (IEEE 802.3 and 802.1Q, RFC 791,
// 8200, 9293, 768). Lengths are those without options, bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace veneer {

inline constexpr std::size_t kEthernetBytes = 14;  // of a header without VLAN tag
inline constexpr std::size_t kVlanTagBytes = 4;
inline constexpr std::uint16_t kTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kTypeIpv6 = 0x86dd;

inline constexpr std::size_t kIpv4Bytes = 20;
inline constexpr std::size_t kIpv6Bytes = 40;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;

inline constexpr std::size_t kTcpBytes = 20;
inline constexpr std::size_t kUdpBytes = 8;
inline constexpr std::size_t kTcpFlags = 13;  // where they are in the header
inline constexpr std::size_t kTcpChecksum = 16;
inline constexpr unsigned kTcpFin = 0x01;
inline constexpr unsigned kTcpSyn = 0x02;
inline constexpr unsigned kTcpReset = 0x04;
inline constexpr unsigned kTcpPush = 0x08;
inline constexpr unsigned kTcpAck = 0x10;

}  // namespace veneer
