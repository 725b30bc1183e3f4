#include "tx_frame.h"

#include <algorithm>
#include <cstdint>

#include "veneer/vmm/memory/racing_copy.h"

namespace veneer {
namespace {

constexpr std::size_t kCacheLine = 64;  // bytes

const std::byte* Start(const TxSlot& slot, const std::byte* page) { return page + slot.offset; }

}  // namespace

const char* TxFrame::Prepare(const TxPacket& packet, std::span<std::byte* const> pages,
                             bool offloads, OutgoingFrame& frame) {
  frame.header = {};
  own_bytes_ = 0;
  const char* problem = nullptr;
  if (packet.segment_size != 0 || (packet.flags & NETTXF_csum_blank) != 0) {
    CopyWindow(packet.slots, pages);
    problem = CheckHeaders(packet, pages, offloads, frame.header);
  }
  LayPieces(packet.slots, pages);
  frame.pieces = pieces_.all();
  return problem;
}

void TxFrame::CopyWindow(std::span<const TxSlot> slots, std::span<std::byte* const> pages) {
  window_bytes_ = 0;
  for (std::size_t i = 0; i < slots.size() && window_bytes_ < window_.size(); ++i) {
    const auto part = std::min<std::size_t>(slots[i].size, window_.size() - window_bytes_);
    CopyRacing(window_.data() + window_bytes_, Start(slots[i], pages[i]), part);
    window_bytes_ += part;
  }
}

void TxFrame::LayPieces(std::span<const TxSlot> slots, std::span<std::byte* const> pages) {
  pieces_.Clear();
  if (own_bytes_ > 0) {
    pieces_.Add(window_.data(), own_bytes_);
  }
  std::size_t skip = own_bytes_;
  pieces_.AddJoined(slots.size(), [&](std::size_t i) {
    const std::size_t cut = std::min<std::size_t>(skip, slots[i].size);
    skip -= cut;
    return std::span(Start(slots[i], pages[i]) + cut, slots[i].size - cut);
  });
}

const char* TxFrame::CheckHeaders(const TxPacket& packet, std::span<std::byte* const> pages,
                                  bool offloads, virtio_net_hdr& header) {
  const auto window = std::span(window_).first(window_bytes_);
  const auto transport = FindTransportHeader(window, packet.bytes);
  if (!transport) {
    return "a blank checksum in what is neither TCP nor UDP";
  }
  PutPseudoHeaderSum(window, *transport);
  const std::size_t linear = LinearBytes(packet, pages, transport->headers_bytes);
  own_bytes_ = packet.bytes == window_bytes_ ? window_bytes_ : std::min(linear, window_bytes_);
  header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  header.csum_start = static_cast<std::uint16_t>(transport->offset);
  header.csum_offset = static_cast<std::uint16_t>(transport->checksum_offset());
  if (packet.segment_size == 0) {
    return nullptr;
  }
  const std::uint8_t type = transport->ipv6 ? XEN_NETIF_GSO_TYPE_TCPV6 : XEN_NETIF_GSO_TYPE_TCPV4;
  if (!offloads || !transport->tcp || packet.segment_type != type) {
    return "segments of what is not the TCP that was offered";
  }
  header.gso_type = transport->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
  header.gso_size = packet.segment_size;
  header.hdr_len = static_cast<std::uint16_t>(linear);
  return nullptr;
}

// How much of the frame the host's kernel shall have in front of its pages: the headers, and as
// much more as makes the rest begin at a cache line in the guest's memory, as it does in the
// host's. A copy between lines is a seventh faster. A frame that fits the window has no such rest.
std::size_t TxFrame::LinearBytes(const TxPacket& packet, std::span<std::byte* const> pages,
                                 std::size_t headers_bytes) const {
  if (packet.bytes == window_bytes_) {
    return headers_bytes;
  }
  std::size_t skip = headers_bytes;
  std::size_t i = 0;
  while (i < pages.size() && skip >= packet.slots[i].size) {
    skip -= packet.slots[i++].size;
  }
  if (i == pages.size()) {
    return headers_bytes;
  }
  const auto rest = reinterpret_cast<std::uintptr_t>(Start(packet.slots[i], pages[i]) + skip);
  return std::min(headers_bytes + -rest % kCacheLine, packet.bytes);
}

}  // namespace veneer
