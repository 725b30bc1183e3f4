#include "net_transmitter.h"

namespace veneer {
namespace {

// Frames taken before the link gets them and others their answers: a quarter of the ring, so that
// the guest works on the rest meanwhile.
constexpr std::size_t kBatch = 64;
constexpr std::uint32_t kBatchSlots = 112;  // half of it for frames of many slots, which are few

}  // namespace

NetTransmitter::NetTransmitter(NicState& nic, GrantTable& grants, NetChannel& channel,
                               std::span<std::byte> ring_page)
    : nic_(nic),
      channel_(channel),
      offloads_(nic.link.facts().offloads),
      ring_({ring_page}),
      packets_(kBatch),
      pages_(grants, GrantAccess::kRead),
      frames_(kBatch) {
  sending_.reserve(kBatch);
}

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
    PrepareBatch();
  }
  return SendBatch(now_ns) ? Outcome::kWorked : Outcome::kFull;
}

RingTake NetTransmitter::TakeBatch() {
  taken_ = 0;
  next_ = 0;
  refs_.clear();
  while (taken_ < kBatch && ring_.unanswered() < kBatchSlots) {
    const RingTake result = TakePacket(ring_, packets_[taken_], refs_);
    if (result != RingTake::kRequest) {
      return result;
    }
    ++taken_;
  }
  return RingTake::kRequest;
}

// Afterwards only packets that are mapped have slots.
void NetTransmitter::MapBatch() {
  if (pages_.Map(refs_) == GrantStatus::kOkay) {
    return;
  }
  // One of them is bad, and its frame alone shall suffer for it.
  std::span<const GrantRef> refs = refs_;
  for (TxPacket& packet : std::span(packets_).first(taken_)) {
    const std::size_t count = packet.slots.size();
    if (pages_.Map(refs.first(count)) != GrantStatus::kOkay) {
      packet.problem = "a slot that is not granted";
      packet.slots.clear();
    }
    refs = refs.subspan(count);
  }
}

void NetTransmitter::PrepareBatch() {
  sending_.clear();
  next_sending_ = 0;
  std::span<std::byte* const> pages = pages_.pages();
  for (std::size_t i = 0; i < taken_; ++i) {
    TxPacket& packet = packets_[i];
    if (packet.problem != nullptr || packet.group) {
      continue;
    }
    OutgoingFrame& frame = sending_.emplace_back();
    packet.problem = frames_[i].Prepare(packet, pages.first(packet.slots.size()), offloads_, frame);
    pages = pages.subspan(packet.slots.size());
    if (packet.problem != nullptr) {
      sending_.pop_back();
    }
  }
}

// False: the link is full, and the rest of the batch waits.
bool NetTransmitter::SendBatch(std::uint64_t now_ns) {
  if (next_sending_ < sending_.size()) {
    channel_.SendMany(std::span(sending_).subspan(next_sending_));
  }
  bool full = false;
  std::size_t done = 0;  // of pages_
  Sent total;
  for (; next_ < taken_; ++next_) {
    TxPacket& packet = packets_[next_];
    if (packet.problem != nullptr) {
      Refuse(packet);
    } else if (packet.group) {
      AnswerGroup(packet);
    } else {
      const NetSent sent = sending_[next_sending_].sent;
      full = sent == NetSent::kFull;
      if (full) {
        break;
      }
      ++next_sending_;
      total.Add(packet, sent);
      Answer(packet, NETIF_RSP_OKAY);
    }
    done += packet.slots.size();
  }
  // Before the answers are shown: the guest takes its pages back as soon as it sees them.
  pages_.Release(done);
  nic_.tx_limit.Charge(total.bytes + total.refused_bytes, now_ns);
  nic_.counters.tx_frames.Add(total.frames);
  nic_.counters.tx_bytes.Add(total.bytes);
  nic_.counters.tx_gso.Add(total.segmented);
  nic_.counters.tx_refused.Add(total.refused);
  return !full;
}

void NetTransmitter::Sent::Add(const TxPacket& packet, NetSent sent) {
  if (sent == NetSent::kRefused) {
    ++refused;
    refused_bytes += packet.bytes;
    return;
  }
  ++frames;
  bytes += packet.bytes;
  segmented += packet.segment_size != 0 ? 1U : 0U;
}

void NetTransmitter::AnswerGroup(TxPacket& packet) {
  if (packet.group_joined && !nic_.multicast.Add(*packet.group)) {
    packet.problem = "no multicast group, or too many of them";
    return Refuse(packet);
  }
  if (!packet.group_joined) {
    nic_.multicast.Remove(*packet.group);
  }
  Answer(packet, NETIF_RSP_OKAY);
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
