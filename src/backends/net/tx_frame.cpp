#include "tx_frame.h"

#include <algorithm>
#include <cstdint>

#include "veneer/memory/racing_copy.h"

namespace veneer {
namespace {

constexpr std::size_t kCacheLine = 64;  // bytes

const std::byte* Start(const TxSlot& slot, const PinnedGrant& page) {
  return page.page().data() + slot.offset;
}

}  // namespace

const char* TxFrame::Prepare(const TxPacket& packet, std::span<const PinnedGrant> pages,
                             bool offloads, OutgoingFrame& frame) {
  frame.header = {};
  pieces_.Clear();
  const char* problem = nullptr;
  if (packet.segment_size == 0 && (packet.flags & NETTXF_csum_blank) == 0) {
    PointAt(packet.slots, pages);
  } else {
    CopyHeaders(packet.slots, pages);
    problem = CheckHeaders(packet, offloads, frame.header);
  }
  frame.pieces = pieces_.all();
  return problem;
}

void TxFrame::CopyHeaders(std::span<const TxSlot> slots, std::span<const PinnedGrant> pages) {
  window_bytes_ = 0;
  std::size_t next = 0;
  std::size_t copied = 0;  // of the slot before `next`
  for (; next < slots.size() && window_bytes_ < window_.size(); ++next) {
    copied = std::min<std::size_t>(slots[next].size, window_.size() - window_bytes_);
    CopyRacing(window_.data() + window_bytes_, Start(slots[next], pages[next]), copied);
    window_bytes_ += copied;
  }
  pieces_.Add(window_.data(), window_bytes_);
  if (next > 0 && copied < slots[next - 1].size) {
    pieces_.Add(Start(slots[next - 1], pages[next - 1]) + copied, slots[next - 1].size - copied);
  }
  PointAt(slots.subspan(next), pages.subspan(next));
}

void TxFrame::PointAt(std::span<const TxSlot> slots, std::span<const PinnedGrant> pages) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    pieces_.Add(Start(slots[i], pages[i]), slots[i].size);
  }
}

const char* TxFrame::CheckHeaders(const TxPacket& packet, bool offloads, virtio_net_hdr& header) {
  const auto window = std::span(window_).first(window_bytes_);
  const auto transport = FindTransportHeader(window, packet.bytes);
  if (!transport) {
    return "a blank checksum in what is neither TCP nor UDP";
  }
  PutPseudoHeaderSum(window, *transport);
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
  header.hdr_len = static_cast<std::uint16_t>(LinearBytes(packet, transport->headers_bytes));
  return nullptr;
}

// How much of the frame the host's kernel shall have in front of its pages: the headers, and as
// much more as makes the rest begin at a cache line in the guest's memory, as it does in the
// host's. A copy between lines is a seventh faster.
std::size_t TxFrame::LinearBytes(const TxPacket& packet, std::size_t headers_bytes) const {
  const std::span<const iovec> pieces = pieces_.all();
  if (pieces.size() < 2) {
    return headers_bytes;
  }
  const auto rest = reinterpret_cast<std::uintptr_t>(pieces[1].iov_base) - window_bytes_;
  const std::size_t to_line = -(rest + headers_bytes) % kCacheLine;
  return std::min(headers_bytes + to_line, packet.bytes);
}

}  // namespace veneer
