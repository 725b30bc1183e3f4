#include "held_segments.h"

#include <algorithm>

#include "veneer/host/net/frame_format.h"
#include "veneer/host/net/internet_checksum.h"

namespace veneer {
namespace {

unsigned ByteAt(std::span<const std::byte> frame, std::size_t at) {
  return std::to_integer<unsigned>(frame[at]);
}

// Whether `a` is behind `b` in the circle of sequence numbers.
bool Behind(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) > 0; }

}  // namespace

std::optional<HeldSegments::Segment> HeldSegments::Read(std::span<const std::byte> frame,
                                                        bool from_guest) {
  const unsigned type =
      frame.size() < kEthernetBytes + kIpv4Bytes ? 0 : GetBig16(frame, kEthernetBytes - 2);
  std::size_t tcp = 0;
  std::size_t end = 0;
  std::size_t addresses = 0;
  std::size_t address_bytes = 4;
  if (type == kTypeIpv4 && ByteAt(frame, kEthernetBytes + 9) == kProtocolTcp) {
    tcp = kEthernetBytes + std::size_t{ByteAt(frame, kEthernetBytes) & 0xfU} * 4;
    end = kEthernetBytes + GetBig16(frame, kEthernetBytes + 2);
    addresses = kEthernetBytes + 12;
  } else if (type == kTypeIpv6 && frame.size() >= kEthernetBytes + kIpv6Bytes &&
             ByteAt(frame, kEthernetBytes + 6) == kProtocolTcp) {
    tcp = kEthernetBytes + kIpv6Bytes;
    end = tcp + GetBig16(frame, kEthernetBytes + 4);
    addresses = kEthernetBytes + 8;
    address_bytes = 16;
  }
  end = std::min(end, frame.size());
  if (tcp < kEthernetBytes + kIpv4Bytes || tcp + kTcpBytes > end) {
    return std::nullopt;
  }
  const std::size_t data = tcp + std::size_t{ByteAt(frame, tcp + 12) >> 4U} * 4;
  Segment segment;
  const std::size_t guest = from_guest ? 0 : 1;
  const auto copy = [&](std::size_t from, std::size_t bytes, std::size_t to) {
    std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(from), bytes,
                segment.flow.begin() + static_cast<std::ptrdiff_t>(to));
  };
  copy(addresses + guest * address_bytes, address_bytes, 0);
  copy(addresses + (1 - guest) * address_bytes, address_bytes, 16);
  copy(tcp + guest * 2, 2, 32);
  copy(tcp + (1 - guest) * 2, 2, 34);
  segment.flow[36] = type == kTypeIpv4 ? std::byte{4} : std::byte{6};
  segment.sequence = GetBig32(frame, tcp + 4);
  segment.acknowledged = GetBig32(frame, tcp + 8);
  segment.flags = ByteAt(frame, tcp + kTcpFlags);
  const std::size_t length =
      (data < end ? end - data : 0) + ((segment.flags & kTcpFin) != 0 ? 1 : 0);
  segment.end = segment.sequence + static_cast<std::uint32_t>(length);
  segment.cost = frame.size() + kOverhead;
  return segment;
}

void HeldSegments::Forget(Flows::iterator it) {
  bytes_ -= it->second.bytes;
  held_.erase(it);
}

bool HeldSegments::Admits(std::span<const std::byte> frame) {
  acknowledged_.reset();
  refused_ = false;
  taken_ = Read(frame, /*from_guest=*/true);
  if (!taken_ || taken_->end == taken_->sequence) {
    return true;
  }
  const auto it = held_.find(taken_->flow);
  const bool refuse = it == held_.end() ? held_.size() >= kMostFlows
                                        : bytes_ + taken_->cost > kMostBytes &&
                                              (!it->second.acknowledged ||
                                               Behind(taken_->sequence, *it->second.acknowledged));
  if (refuse) {
    taken_.reset();
  }
  return !refuse;
}

void HeldSegments::Taken(bool closed) {
  if (!taken_) {
    return;
  }
  const Segment segment = *taken_;
  taken_.reset();
  const auto it = held_.find(segment.flow);
  // Whether it believed a reset shows in the socket only.
  if (closed) {
    if (it != held_.end()) {
      Forget(it);
    }
    return;
  }
  const bool kept = segment.end != segment.sequence &&
                    (segment.flags & (kTcpSyn | kTcpReset)) == 0 && !refused_ &&
                    (!acknowledged_ || Behind(segment.end, *acknowledged_));
  if (!kept) {
    return;
  }
  Held& held = it != held_.end() ? it->second : held_[segment.flow];
  if (held.bytes == 0) {
    held = {acknowledged_, segment.end, 0};
  }
  held.end = Behind(segment.end, held.end) ? segment.end : held.end;
  held.bytes += segment.cost;
  bytes_ += segment.cost;
}

void HeldSegments::Sent(std::span<const std::byte> frame) {
  if (!taken_ && held_.empty()) {
    return;
  }
  const std::optional<Segment> segment = Read(frame, /*from_guest=*/false);
  if (!segment) {
    return;
  }
  if (taken_ && taken_->flow == segment->flow) {
    if ((segment->flags & kTcpAck) != 0) {
      acknowledged_ = segment->acknowledged;
    }
    refused_ = refused_ || (segment->flags & kTcpReset) != 0;
  }
  const auto it = held_.find(segment->flow);
  if (it == held_.end()) {
    return;
  }
  if ((segment->flags & (kTcpReset | kTcpSyn)) != 0 ||
      ((segment->flags & kTcpAck) != 0 && !Behind(it->second.end, segment->acknowledged))) {
    Forget(it);
  } else if ((segment->flags & kTcpAck) != 0) {
    it->second.acknowledged = segment->acknowledged;
  }
}

void HeldSegments::Clear() {
  held_.clear();
  bytes_ = 0;
}

}  // namespace veneer
