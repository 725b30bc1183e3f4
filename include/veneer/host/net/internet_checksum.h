// The Internet checksum (RFC 1071), and where it is in the headers that a NIC looks into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veneer/host/net/virtio_net.h"

namespace veneer {

// Numbers in frames have their high byte first.
inline std::uint16_t GetBig16(std::span<const std::byte> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[at]) << 8U |
                                    std::to_integer<unsigned>(bytes[at + 1]));
}
inline void PutBig16(std::span<std::byte> bytes, std::size_t at, std::uint32_t value) {
  bytes[at] = static_cast<std::byte>(value >> 8U);
  bytes[at + 1] = static_cast<std::byte>(value);
}
inline std::uint32_t GetBig32(std::span<const std::byte> bytes, std::size_t at) {
  return std::uint32_t{GetBig16(bytes, at)} << 16U | GetBig16(bytes, at + 2);
}
inline void PutBig32(std::span<std::byte> bytes, std::size_t at, std::uint32_t value) {
  PutBig16(bytes, at, value >> 16U);
  PutBig16(bytes, at + 2, value & 0xffffU);
}

// The sum of `bytes` as big-endian 16-bit numbers, an odd last one padded, on top of `start`.
inline std::uint64_t SumBig16(std::span<const std::byte> bytes, std::uint64_t start = 0) {
  std::uint64_t sum = start;
  while (bytes.size() >= 2) {
    sum += GetBig16(bytes, 0);
    bytes = bytes.subspan(2);
  }
  return bytes.empty() ? sum : sum + (std::to_integer<std::uint64_t>(bytes[0]) << 8U);
}
// To 16 bits, carries added.
inline std::uint16_t Fold(std::uint64_t sum) {
  while (sum > 0xffffU) {
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(sum);
}

// Does what `header` leaves to be done of a frame that is not cut: sums it from csum_start on, the
// pseudo header's sum in the checksum's place included. False, and nothing is changed, if that
// place is not in the frame.
bool CompleteChecksum(const virtio_net_hdr& header, std::span<std::byte> frame);

}  // namespace veneer
