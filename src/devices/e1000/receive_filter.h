// What the NIC makes of a frame that arrives, before the guest gets it: whether it is for the
// guest, its VLAN tag and its checksums.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "veneer/host/net/net_config.h"

namespace veneer {

// The registers that decide it, as the guest has set them.
struct E1000ReceiveSettings {
  static constexpr unsigned kAddresses = 16;
  static constexpr unsigned kTableWords = 128;

  std::uint32_t control = 0;   // RCTL
  std::uint32_t checksum = 0;  // RXCSUM
  bool strip_vlan = false;
  std::array<std::uint32_t, 2 * kAddresses> addresses{};  // RAL and RAH in turn
  std::array<std::uint32_t, kTableWords> multicast{};
  std::array<std::uint32_t, kTableWords> vlans{};

  void SetAddress(const MacAddress& mac);
  // Whether a frame of at least 14 bytes passes.
  bool Accepts(std::span<const std::byte> frame) const;
  // Bytes of a receive buffer.
  std::size_t BufferBytes() const;
};

// The tag of a frame that has one.
std::optional<std::uint16_t> VlanTag(std::span<const std::byte> frame);

// Bits for a receive descriptor's status and errors: which checksums were looked at, and which are
// wrong. Nothing for what is not TCP or UDP over IPv4, whole.
struct CheckedSums {
  std::uint8_t status = 0;
  std::uint8_t errors = 0;
};
CheckedSums CheckSums(std::span<const std::byte> frame, std::uint32_t settings);

}  // namespace veneer
