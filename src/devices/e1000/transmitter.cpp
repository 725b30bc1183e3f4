#include "transmitter.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "veneer/host/net/internet_checksum.h"

namespace veneer {
namespace {

constexpr std::size_t kMinFrame = 14;
constexpr std::size_t kMacBytes = 12;
constexpr std::size_t kVlanTag = 4;
constexpr std::uint16_t kVlanType = 0x8100;
// The longest frame without TCP segmentation, as the 82540 has it.
constexpr std::size_t kMaxPlainFrame = 16288;
constexpr std::uint32_t kLengthBits = 0xfffff;
constexpr unsigned kTypeShift = 20;
constexpr std::uint32_t kContextType = 0;
constexpr std::uint32_t kDataType = 1;
constexpr std::size_t kTcpChecksumOffset = 16;

template <typename T>
T Field(const E1000Descriptor& descriptor, std::size_t at) {
  T value;
  std::memcpy(&value, descriptor.data() + at, sizeof value);
  return value;
}

// Sums frame[start, end] (0: to its end) and puts the complement at `place`. What does not lie in
// the frame is left alone, as the NIC does it.
void InsertChecksum(std::span<std::byte> frame, std::size_t start, std::size_t place,
                    std::size_t end) {
  const std::size_t last = end == 0 ? frame.size() : std::min(end + 1, frame.size());
  if (start >= last || place + 2 > frame.size()) {
    return;
  }
  PutBig16(frame, place,
           static_cast<std::uint16_t>(~Fold(SumBig16(frame.subspan(start, last - start)))));
}

}  // namespace

void E1000Transmitter::Reset() {
  plain_ = Context{};
  uncut_ = Context{};
  frame_.clear();
  begun_ = false;
  bad_ = false;
  blocked_ = false;
  cutter_.reset();
}

E1000Transmitter::Counts E1000Transmitter::TakeCounts() { return std::exchange(counts_, Counts{}); }

bool E1000Transmitter::Take(const E1000Descriptor& descriptor, NetChannel& channel, bool offloads) {
  const auto command = Field<std::uint8_t>(descriptor, 11);
  const auto lower = Field<std::uint32_t>(descriptor, 8);
  const bool report = (command & e1000::kTxReportStatus) != 0;
  const bool extended = (command & e1000::kTxExtended) != 0;
  const std::uint32_t type = lower >> kTypeShift & 0xfU;
  if (extended && type == kContextType) {
    TakeContext(descriptor);
    return report;
  }
  if (extended && type != kDataType) {
    return report;
  }
  if (!begun_) {
    // The first descriptor of a frame says what is to be done to all of it.
    begun_ = true;
    frame_.clear();
    bad_ = false;
    checksum_.reset();
    segment_ = extended && (command & e1000::kTxSegment) != 0;
    options_ = extended ? Field<std::uint8_t>(descriptor, 13) : 0;
    vlan_ = (command & e1000::kTxVlan) != 0 ? std::optional(Field<std::uint16_t>(descriptor, 14))
                                            : std::nullopt;
  }
  TakeData(Field<std::uint64_t>(descriptor, 0),
           extended ? lower & kLengthBits : Field<std::uint16_t>(descriptor, 8));
  if (!extended && (command & e1000::kTxInsertChecksum) != 0) {
    checksum_ = {Field<std::uint8_t>(descriptor, 13), Field<std::uint8_t>(descriptor, 10)};
  }
  if ((command & e1000::kTxEndOfPacket) != 0) {
    begun_ = false;
    EndFrame(channel, offloads);
  }
  return report;
}

void E1000Transmitter::TakeContext(const E1000Descriptor& descriptor) {
  const auto command = Field<std::uint8_t>(descriptor, 11);
  Context context;
  context.ip_start = Field<std::uint8_t>(descriptor, 0);
  context.ip_place = Field<std::uint8_t>(descriptor, 1);
  context.ip_end = Field<std::uint16_t>(descriptor, 2);
  context.tcp_start = Field<std::uint8_t>(descriptor, 4);
  context.tcp_place = Field<std::uint8_t>(descriptor, 5);
  context.tcp_end = Field<std::uint16_t>(descriptor, 6);
  if ((command & e1000::kTxSegment) == 0) {
    plain_ = context;
    return;
  }
  context.tcp = {.ipv4 = (command & e1000::kTxIpv4) != 0,
                 .ip_offset = context.ip_start,
                 .tcp_offset = context.tcp_start,
                 .header_bytes = Field<std::uint8_t>(descriptor, 13),
                 .segment_bytes = Field<std::uint16_t>(descriptor, 14)};
  // UDP is not cut, which Linux knows.
  if ((command & e1000::kTxTcp) == 0) {
    context.tcp.segment_bytes = 0;
  }
  uncut_ = context;
  ++counts_.contexts;
}

void E1000Transmitter::TakeData(std::uint64_t address, std::size_t length) {
  if (bad_ || length == 0) {
    return;
  }
  const std::size_t most = segment_ ? kMaxFrame - kVlanTag : kMaxPlainFrame;
  const std::span<std::byte> data =
      length <= most - frame_.size() ? memory_.Pin(Gpa{address}, length) : std::span<std::byte>();
  if (data.empty()) {
    bad_ = true;
    return;
  }
  const std::size_t before = frame_.size();
  frame_.resize(before + length);
  std::memcpy(frame_.data() + before, data.data(), length);
}

void E1000Transmitter::EndFrame(NetChannel& channel, bool offloads) {
  if (bad_ || frame_.size() < kMinFrame) {
    Drop();
  } else if (segment_) {
    EndUncut(channel, offloads);
  } else {
    EndPlain(channel);
  }
}

void E1000Transmitter::EndPlain(NetChannel& channel) {
  virtio_net_hdr header{};
  const Context& context = plain_;
  if ((options_ & e1000::kTxIpChecksum) != 0) {
    InsertChecksum(frame_, context.ip_start, context.ip_place, context.ip_end);
  }
  // To the frame's end: for the link, which may well pass it on to who can do it best.
  const bool to_end = context.tcp_end == 0 || context.tcp_end + 1 >= frame_.size();
  if ((options_ & e1000::kTxTcpChecksum) != 0) {
    if (to_end && context.tcp_start >= kMinFrame && context.tcp_place > context.tcp_start &&
        context.tcp_place + 2 <= frame_.size()) {
      header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
      header.csum_start = static_cast<std::uint16_t>(context.tcp_start);
      header.csum_offset = static_cast<std::uint16_t>(context.tcp_place - context.tcp_start);
    } else {
      InsertChecksum(frame_, context.tcp_start, context.tcp_place, context.tcp_end);
    }
  } else if (checksum_) {
    InsertChecksum(frame_, (*checksum_)[0], (*checksum_)[1], 0);
  }
  if (vlan_) {
    InsertVlanTag();
    header.csum_start =
        static_cast<std::uint16_t>(header.flags != 0 ? header.csum_start + kVlanTag : 0);
  }
  Send(channel, frame_, header);
}

void E1000Transmitter::EndUncut(NetChannel& channel, bool offloads) {
  UncutTcp tcp = uncut_.tcp;
  if (!TcpCutter::Valid(frame_, tcp)) {
    Drop();
    return;
  }
  if (vlan_) {
    InsertVlanTag();
    tcp.ip_offset += kVlanTag;
    tcp.tcp_offset += kVlanTag;
    tcp.header_bytes += kVlanTag;
  }
  cutter_.emplace(frame_, tcp);
  const bool needs_cutting = frame_.size() > tcp.header_bytes + tcp.segment_bytes;
  if (!offloads || !needs_cutting) {
    cut_.resize(tcp.header_bytes + tcp.segment_bytes);
    SendCut(channel);
    return;
  }
  cutter_->CompleteUncut();
  cutter_.reset();
  virtio_net_hdr header{};
  header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  header.gso_type = tcp.ipv4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
  header.hdr_len = static_cast<std::uint16_t>(tcp.header_bytes);
  header.gso_size = static_cast<std::uint16_t>(tcp.segment_bytes);
  header.csum_start = static_cast<std::uint16_t>(tcp.tcp_offset);
  header.csum_offset = kTcpChecksumOffset;
  Send(channel, frame_, header);
}

void E1000Transmitter::InsertVlanTag() {
  std::array<std::byte, kVlanTag> tag{};
  PutBig16(tag, 0, kVlanType);
  PutBig16(tag, 2, *vlan_);
  frame_.insert(frame_.begin() + kMacBytes, tag.begin(), tag.end());
}

void E1000Transmitter::Send(NetChannel& channel, std::span<const std::byte> frame,
                            const virtio_net_hdr& header) {
  // The link only reads.
  const iovec piece{const_cast<std::byte*>(frame.data()), frame.size()};
  const NetSent sent = channel.Send(header, std::span(&piece, 1));
  blocked_ = sent == NetSent::kFull;
  if (blocked_) {
    waiting_ = frame;
    waiting_header_ = header;
    return;
  }
  if (sent == NetSent::kRefused) {
    ++counts_.dropped;
    return;
  }
  ++counts_.frames;
  counts_.bytes += frame.size();
  constexpr std::byte kGroup{1};
  if ((frame[0] & kGroup) != std::byte{0}) {
    const bool broadcast =
        std::ranges::all_of(frame.first(6), [](std::byte b) { return b == std::byte{0xff}; });
    ++(broadcast ? counts_.broadcast : counts_.multicast);
  }
}

void E1000Transmitter::SendCut(NetChannel& channel) {
  while (!blocked_ && left_ > 0) {
    --left_;
    const std::span<std::byte> cut = cutter_->Next(cut_);
    if (cut.empty()) {
      cutter_.reset();
      return;
    }
    Send(channel, cut, virtio_net_hdr{});
  }
}

void E1000Transmitter::Retry(NetChannel& channel) {
  if (blocked_) {
    Send(channel, waiting_, waiting_header_);
  }
  if (!blocked_ && cutter_) {
    SendCut(channel);
  }
}

void E1000Transmitter::Drop() { ++counts_.dropped; }

}  // namespace veneer
