#include "frame_headers.h"

#include "veneer/host/net/frame_format.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

constexpr unsigned kMaxVlanTags = 2;
constexpr std::uint16_t kTypeVlan = 0x8100;
constexpr std::uint16_t kTypeServiceVlan = 0x88a8;

// Reads that never leave the window: what is not there makes the whole frame one without headers.
class Window {
 public:
  explicit Window(std::span<const std::byte> bytes) : bytes_(bytes) {}
  bool Has(std::size_t offset, std::size_t size) const {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  }
  std::uint8_t Byte(std::size_t offset) const {
    VENEER_CHECK(Has(offset, 1));
    return static_cast<std::uint8_t>(bytes_[offset]);
  }
  std::uint16_t Word(std::size_t offset) const {
    return static_cast<std::uint16_t>(Byte(offset) << 8U | Byte(offset + 1));
  }

 private:
  std::span<const std::byte> bytes_;
};

struct IpPayload {
  std::uint8_t protocol = 0;
  std::size_t offset = 0;
  std::size_t length = 0;
};

std::optional<IpPayload> FindIpv4Payload(const Window& window, std::size_t start) {
  if (!window.Has(start, kIpv4Bytes) || window.Byte(start) >> 4U != 4) {
    return std::nullopt;
  }
  const std::size_t header = std::size_t{window.Byte(start) & 0xfU} * 4;
  const std::size_t total = window.Word(start + 2);
  constexpr std::uint16_t kMoreFragmentsAndOffset = 0x3fff;
  if (header < kIpv4Bytes || total < header ||
      (window.Word(start + 6) & kMoreFragmentsAndOffset) != 0) {
    return std::nullopt;
  }
  return IpPayload{window.Byte(start + 9), start + header, total - header};
}

// Whether a header of this kind is one of those that only stand before the transport's, each
// with the next one's kind in its first byte and its length in the second.
bool IsExtension(std::uint8_t kind) {
  constexpr std::uint8_t kHopByHop = 0;
  constexpr std::uint8_t kRouting = 43;
  constexpr std::uint8_t kDestinationOptions = 60;
  return kind == kHopByHop || kind == kRouting || kind == kDestinationOptions;
}

std::optional<IpPayload> FindIpv6Payload(const Window& window, std::size_t start) {
  if (!window.Has(start, kIpv6Bytes) || window.Byte(start) >> 4U != 6) {
    return std::nullopt;
  }
  IpPayload payload{window.Byte(start + 6), start + kIpv6Bytes, window.Word(start + 4)};
  while (IsExtension(payload.protocol)) {
    if (!window.Has(payload.offset, 8)) {
      return std::nullopt;
    }
    const std::size_t length = (std::size_t{window.Byte(payload.offset + 1)} + 1) * 8;
    if (length > payload.length) {
      return std::nullopt;
    }
    payload.protocol = window.Byte(payload.offset);
    payload.offset += length;
    payload.length -= length;
  }
  return payload;
}

// What the transport header itself takes; 0: not there.
std::size_t TransportHeaderBytes(const Window& window, const IpPayload& payload, bool tcp) {
  if (!tcp) {
    return window.Has(payload.offset, kUdpBytes) ? kUdpBytes : 0;
  }
  if (!window.Has(payload.offset, kTcpBytes)) {
    return 0;
  }
  const std::size_t bytes = static_cast<std::size_t>(window.Byte(payload.offset + 12) >> 4U) * 4;
  return bytes >= kTcpBytes ? bytes : 0;
}

}  // namespace

std::optional<TransportHeader> FindTransportHeader(std::span<const std::byte> bytes,
                                                   std::size_t frame_bytes) {
  const Window window(bytes);
  if (!window.Has(0, kEthernetBytes)) {
    return std::nullopt;
  }
  std::size_t start = kEthernetBytes;
  std::uint16_t type = window.Word(start - 2);
  for (unsigned tags = 0; tags < kMaxVlanTags && (type == kTypeVlan || type == kTypeServiceVlan);
       ++tags) {
    start += kVlanTagBytes;
    if (!window.Has(0, start)) {
      return std::nullopt;
    }
    type = window.Word(start - 2);
  }
  if (type != kTypeIpv4 && type != kTypeIpv6) {
    return std::nullopt;
  }
  const bool ipv6 = type == kTypeIpv6;
  const auto payload = ipv6 ? FindIpv6Payload(window, start) : FindIpv4Payload(window, start);
  if (!payload || (payload->protocol != kProtocolTcp && payload->protocol != kProtocolUdp) ||
      payload->offset > frame_bytes || payload->length > frame_bytes - payload->offset) {
    return std::nullopt;
  }
  const bool tcp = payload->protocol == kProtocolTcp;
  const std::size_t header = TransportHeaderBytes(window, *payload, tcp);
  if (header == 0 || header > payload->length) {
    return std::nullopt;
  }
  return TransportHeader{.ipv6 = ipv6,
                         .tcp = tcp,
                         .offset = payload->offset,
                         .length = payload->length,
                         .headers_bytes = payload->offset + header};
}

void PutPseudoHeaderSum(std::span<std::byte> bytes, const TransportHeader& header) {
  const Window window(bytes);
  // The addresses are where the innermost IP header has them, which begins right after Ethernet
  // and its tags.
  std::size_t start = kEthernetBytes;
  while (window.Word(start - 2) != (header.ipv6 ? kTypeIpv6 : kTypeIpv4)) {
    start += kVlanTagBytes;
  }
  const std::size_t addresses = start + (header.ipv6 ? 8 : 12);
  const std::size_t address_bytes = header.ipv6 ? 32 : 8;
  std::uint32_t sum = header.tcp ? kProtocolTcp : kProtocolUdp;
  sum += static_cast<std::uint32_t>(header.length);
  for (std::size_t i = 0; i < address_bytes; i += 2) {
    sum += window.Word(addresses + i);
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >> 16U);
  }
  const std::size_t field = header.offset + header.checksum_offset();
  VENEER_CHECK(window.Has(field, 2));
  bytes[field] = static_cast<std::byte>(sum >> 8U);
  bytes[field + 1] = static_cast<std::byte>(sum);
}

}  // namespace veneer
