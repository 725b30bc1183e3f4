#include "net_transmitter.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "veneer/base/check.h"

namespace veneer {
namespace {

// Frames taken before the link gets them and others their answers: a quarter of the ring, so that
// the guest works on the rest meanwhile.
constexpr std::size_t kBatch = 64;
constexpr std::uint32_t kBatchSlots = 64;  // the same for frames of many slots

}  // namespace

NetTransmitter::NetTransmitter(NicState& nic, GrantTable& grants, NetChannel& channel,
                               std::span<std::byte> ring_page)
    : nic_(nic),
      grants_(grants),
      channel_(channel),
      offloads_(nic.link.facts().offloads),
      ring_({ring_page}),
      packets_(kBatch) {}

NetTransmitter::~NetTransmitter() { grants_.ReleaseMany(pages_); }

NetTransmitter::Outcome NetTransmitter::Transmit(std::uint64_t now_ns) {
  if (broken_) {
    return Outcome::kBroken;
  }
  if (next_ == taken_) {
    const RingTake taken = TakeBatch();
    broken_ = taken == RingTake::kBroken;
    if (taken_ == 0) {
      return broken_ ? Outcome::kBroken : Outcome::kNothing;
    }
    MapBatch();
  }
  return SendBatch(now_ns) ? Outcome::kWorked : Outcome::kFull;
}

RingTake NetTransmitter::TakeBatch() {
  taken_ = 0;
  next_ = 0;
  while (taken_ < kBatch && ring_.unanswered() < kBatchSlots) {
    const RingTake result = TakePacket(ring_, packets_[taken_]);
    if (result != RingTake::kRequest) {
      return result;
    }
    ++taken_;
  }
  return RingTake::kRequest;
}

void NetTransmitter::MapBatch() {
  refs_.clear();
  next_page_ = 0;
  for (const TxPacket& packet : std::span(packets_).first(taken_)) {
    if (packet.problem == nullptr) {
      for (const TxSlot& slot : packet.slots) {
        refs_.push_back(slot.ref);
      }
    }
  }
  if (grants_.MapMany(refs_, GrantAccess::kRead, pages_) == GrantStatus::kOkay) {
    return;
  }
  // One of them is bad, and its frame alone shall suffer for it.
  for (TxPacket& packet : std::span(packets_).first(taken_)) {
    if (packet.problem != nullptr) {
      continue;
    }
    refs_.clear();
    for (const TxSlot& slot : packet.slots) {
      refs_.push_back(slot.ref);
    }
    if (grants_.MapMany(refs_, GrantAccess::kRead, pages_) != GrantStatus::kOkay) {
      packet.problem = "a slot that is not granted";
    }
  }
}

bool NetTransmitter::SendBatch(std::uint64_t now_ns) {
  NicCounters& counters = nic_.counters;
  for (; next_ < taken_; ++next_) {
    TxPacket& packet = packets_[next_];
    if (packet.problem != nullptr) {
      Refuse(packet);
      continue;
    }
    if (packet.group) {
      if (packet.group_joined && !nic_.multicast.Add(*packet.group)) {
        packet.problem = "no multicast group, or too many of them";
        Refuse(packet);
        continue;
      }
      if (!packet.group_joined) {
        nic_.multicast.Remove(*packet.group);
      }
      Answer(packet, NETIF_RSP_OKAY);
      continue;
    }
    const auto pages = std::span(pages_).subspan(next_page_, packet.slots.size());
    packet.problem = Prepare(packet, pages);
    if (packet.problem != nullptr) {
      next_page_ += packet.slots.size();
      Refuse(packet);
      continue;
    }
    const NetSent sent = channel_.Send(header_, std::span(pieces_).first(piece_count_));
    if (sent == NetSent::kFull) {
      ReleaseSent();
      return false;
    }
    next_page_ += packet.slots.size();
    nic_.tx_limit.Charge(packet.bytes, now_ns);
    if (sent == NetSent::kRefused) {
      counters.tx_refused.Add();
    } else {
      counters.tx_frames.Add();
      counters.tx_bytes.Add(packet.bytes);
      if (packet.segment_size != 0) {
        counters.tx_gso.Add();
      }
    }
    Answer(packet, NETIF_RSP_OKAY);
  }
  ReleaseSent();
  return true;
}

// Before the answers are shown: the guest takes its pages back as soon as it sees them.
void NetTransmitter::ReleaseSent() {
  const auto unsent = pages_.begin() + static_cast<std::ptrdiff_t>(std::exchange(next_page_, 0));
  std::vector<PinnedGrant> kept(std::make_move_iterator(unsent),
                                std::make_move_iterator(pages_.end()));
  pages_.erase(unsent, pages_.end());
  grants_.ReleaseMany(pages_);
  pages_ = std::move(kept);
}

void NetTransmitter::CopyHeaders(const TxPacket& packet, std::span<const PinnedGrant> pages) {
  window_bytes_ = 0;
  piece_count_ = 0;
  AddPiece(window_.data(), 0);  // its size is known last
  for (std::size_t i = 0; i < packet.slots.size(); ++i) {
    const TxSlot& slot = packet.slots[i];
    const std::size_t copied = std::min<std::size_t>(slot.size, window_.size() - window_bytes_);
    std::memcpy(window_.data() + window_bytes_, pages[i].page().data() + slot.offset, copied);
    window_bytes_ += copied;
    if (copied < slot.size) {
      AddPiece(pages[i].page().data() + slot.offset + copied, slot.size - copied);
    }
  }
  pieces_[0].iov_len = window_bytes_;
}

void NetTransmitter::PointAtSlots(const TxPacket& packet, std::span<const PinnedGrant> pages) {
  piece_count_ = 0;
  for (std::size_t i = 0; i < packet.slots.size(); ++i) {
    AddPiece(pages[i].page().data() + packet.slots[i].offset, packet.slots[i].size);
  }
}

// Pages that lie side by side, as those of a large buffer do, are one piece: the kernel copies a
// frame a fifth faster for it.
void NetTransmitter::AddPiece(std::byte* start, std::size_t length) {
  if (piece_count_ > 0) {
    iovec& last = pieces_[piece_count_ - 1];
    if (static_cast<std::byte*>(last.iov_base) + last.iov_len == start) {
      last.iov_len += length;
      return;
    }
  }
  pieces_[piece_count_++] = iovec{start, length};
}

// What is checked here and what is sent are the same bytes, which the guest can no longer change.
// Of frames that come with their checksum nothing is checked.
const char* NetTransmitter::Prepare(const TxPacket& packet, std::span<const PinnedGrant> pages) {
  header_ = {};
  const bool segments = packet.segment_size != 0;
  if (!segments && (packet.flags & NETTXF_csum_blank) == 0) {
    PointAtSlots(packet, pages);
    return nullptr;
  }
  CopyHeaders(packet, pages);
  const auto window = std::span(window_).first(window_bytes_);
  const auto transport = FindTransportHeader(window, packet.bytes);
  if (!transport) {
    return "a blank checksum in what is neither TCP nor UDP";
  }
  PutPseudoHeaderSum(window, *transport);
  header_.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  header_.csum_start = static_cast<std::uint16_t>(transport->offset);
  header_.csum_offset = static_cast<std::uint16_t>(transport->checksum_offset());
  if (!segments) {
    return nullptr;
  }
  const std::uint8_t type = transport->ipv6 ? XEN_NETIF_GSO_TYPE_TCPV6 : XEN_NETIF_GSO_TYPE_TCPV4;
  if (!offloads_ || !transport->tcp || packet.segment_type != type) {
    return "segments of what is not the TCP that was offered";
  }
  header_.gso_type = transport->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
  header_.gso_size = packet.segment_size;
  header_.hdr_len = static_cast<std::uint16_t>(transport->headers_bytes);
  return nullptr;
}

void NetTransmitter::Answer(const TxPacket& packet, std::int16_t status) {
  ring_.Put({.id = packet.ids.front(), .status = status});
  for (std::uint32_t i = 0; i < packet.extras; ++i) {
    ring_.Put({.id = 0, .status = NETIF_RSP_NULL});
  }
  for (std::size_t i = 1; i < packet.ids.size(); ++i) {
    ring_.Put({.id = packet.ids[i], .status = status});
  }
}

void NetTransmitter::Refuse(TxPacket& packet) {
  nic_.counters.tx_bad.Add();
  LogGuest(nic_.guest_limiter, "NIC {}: frame dropped: {} ({} bytes, {} slots)", nic_.number,
           packet.problem, packet.bytes, packet.ids.size());
  Answer(packet, NETIF_RSP_ERROR);
}

bool NetTransmitter::Publish() {
  if (ring_.unpublished() == 0) {
    return false;
  }
  const bool notify = ring_.Publish();
  (notify ? nic_.counters.tx_notifications : nic_.counters.tx_suppressed).Add();
  return notify;
}

}  // namespace veneer
