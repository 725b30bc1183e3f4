#include "receive_filter.h"

#include <algorithm>

#include "e1000_registers.h"
#include "veneer/host/net/internet_checksum.h"

namespace veneer {
namespace {

constexpr std::size_t kAddressBytes = 6;
constexpr std::size_t kTypeAt = 12;
constexpr std::uint16_t kVlanType = 0x8100;
constexpr std::uint16_t kIpv4Type = 0x0800;
constexpr std::uint16_t kVlanIdBits = 0x0fff;

bool TableHas(const std::array<std::uint32_t, E1000ReceiveSettings::kTableWords>& table,
              unsigned index) {
  return (table[index / 32 % table.size()] >> (index % 32) & 1U) != 0;
}

}  // namespace

void E1000ReceiveSettings::SetAddress(const MacAddress& mac) {
  addresses[0] = mac.bytes[0] | std::uint32_t{mac.bytes[1]} << 8U |
                 std::uint32_t{mac.bytes[2]} << 16U | std::uint32_t{mac.bytes[3]} << 24U;
  addresses[1] = mac.bytes[4] | std::uint32_t{mac.bytes[5]} << 8U | e1000::kAddressValid;
}

bool E1000ReceiveSettings::Accepts(std::span<const std::byte> frame) const {
  if ((control & e1000::kRxVlanFilter) != 0) {
    const std::optional<std::uint16_t> tag = VlanTag(frame);
    if (tag && !TableHas(vlans, *tag & kVlanIdBits)) {
      return false;
    }
  }
  const std::span<const std::byte> to = frame.first(kAddressBytes);
  const auto at = [&](std::size_t i) { return std::to_integer<std::uint32_t>(to[i]); };
  const bool group = (at(0) & 1U) != 0;
  const bool broadcast = std::ranges::all_of(to, [](std::byte b) { return b == std::byte{0xff}; });
  if (broadcast && (control & e1000::kRxBroadcast) != 0) {
    return true;
  }
  if ((control & (group ? e1000::kRxAllMulticast : e1000::kRxAllUnicast)) != 0) {
    return true;
  }
  const std::uint32_t low = at(0) | at(1) << 8U | at(2) << 16U | at(3) << 24U;
  const std::uint32_t high = at(4) | at(5) << 8U | e1000::kAddressValid;
  for (unsigned i = 0; i < kAddresses; ++i) {
    if (addresses[2 * i] == low &&
        (addresses[2 * i + 1] & (e1000::kAddressValid | 0xffffU)) == high) {
      return true;
    }
  }
  // Twelve bits of the address's last two bytes; which twelve, the guest says.
  constexpr std::array<unsigned, 4> kShifts{4, 3, 2, 0};
  const unsigned shift = kShifts[control >> e1000::kRxMulticastShift & 3U];
  const unsigned hash = (at(4) | at(5) << 8U) >> shift & 0xfffU;
  return group && TableHas(multicast, hash);
}

std::size_t E1000ReceiveSettings::BufferBytes() const {
  const unsigned code = control >> e1000::kRxSizeShift & 3U;
  if ((control & e1000::kRxSizeExtended) != 0 && code != 0) {
    return std::size_t{32768} >> code;
  }
  return std::size_t{2048} >> code;
}

std::optional<std::uint16_t> VlanTag(std::span<const std::byte> frame) {
  if (frame.size() < kTypeAt + 4 || GetBig16(frame, kTypeAt) != kVlanType) {
    return std::nullopt;
  }
  return GetBig16(frame, kTypeAt + 2);
}

CheckedSums CheckSums(std::span<const std::byte> frame, std::uint32_t settings) {
  constexpr std::size_t kHeader = 20;
  constexpr std::size_t kProtocolAt = 9;
  constexpr std::uint16_t kFragmentBits = 0x3fff;
  constexpr unsigned kTcp = 6;
  constexpr unsigned kUdp = 17;
  CheckedSums sums;
  const std::size_t ip_at = VlanTag(frame) ? kTypeAt + 6 : kTypeAt + 2;
  if (frame.size() < ip_at + kHeader || GetBig16(frame, ip_at - 2) != kIpv4Type) {
    return sums;
  }
  const std::span<const std::byte> ip = frame.subspan(ip_at);
  const std::size_t header = (std::to_integer<std::size_t>(ip[0]) & 0xfU) * 4;
  const std::size_t total = GetBig16(ip, 2);
  if (std::to_integer<unsigned>(ip[0]) >> 4U != 4 || header < kHeader || total < header ||
      total > ip.size()) {
    return sums;
  }
  if ((settings & e1000::kRxIpChecksum) != 0) {
    sums.status |= e1000::kRxIpChecked;
    if (Fold(SumBig16(ip.first(header))) != 0xffff) {
      sums.errors |= e1000::kRxIpWrong;
    }
  }
  const auto protocol = std::to_integer<unsigned>(ip[kProtocolAt]);
  const std::span<const std::byte> payload = ip.subspan(header, total - header);
  const std::size_t checksum_at = protocol == kTcp ? 16 : 6;
  if ((settings & e1000::kRxTcpChecksum) == 0 || (protocol != kTcp && protocol != kUdp) ||
      (GetBig16(ip, 6) & kFragmentBits) != 0 || payload.size() < checksum_at + 2 ||
      (protocol == kUdp && GetBig16(payload, checksum_at) == 0)) {
    return sums;
  }
  sums.status |= e1000::kRxTcpChecked;
  const std::uint64_t pseudo = SumBig16(ip.subspan(12, 8), protocol + payload.size());
  if (Fold(SumBig16(payload, pseudo)) != 0xffff) {
    sums.errors |= e1000::kRxTcpWrong;
  }
  return sums;
}

}  // namespace veneer
