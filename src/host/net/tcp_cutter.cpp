#include "veneer/host/net/tcp_cutter.h"

#include <algorithm>
#include <cstring>

#include "veneer/host/net/frame_format.h"
#include "veneer/host/net/internet_checksum.h"

namespace veneer {
namespace {

// In the headers of IPv4, IPv6 and TCP.
constexpr std::size_t kIpv4Length = 2;
constexpr std::size_t kIpv4Id = 4;
constexpr std::size_t kIpv4Checksum = 10;
constexpr std::size_t kIpv6Length = 4;
constexpr std::size_t kTcpSequence = 4;
constexpr unsigned kCongestionReduced = 0x80;

}  // namespace

bool TcpCutter::Valid(std::span<const std::byte> frame, const UncutTcp& description) {
  const std::size_t ip_header = description.ipv4 ? kIpv4Bytes : kIpv6Bytes;
  return description.segment_bytes > 0 && description.ip_offset + ip_header <= frame.size() &&
         description.tcp_offset >= description.ip_offset + ip_header &&
         description.header_bytes >= description.tcp_offset + kTcpBytes &&
         description.header_bytes <= frame.size();
}

TcpCutter::TcpCutter(std::span<std::byte> frame, const UncutTcp& description)
    : frame_(frame),
      description_(description),
      pseudo_sum_(GetBig16(frame, description.tcp_offset + kTcpChecksum)) {}

void TcpCutter::CompleteHeaders(std::span<std::byte> headers, std::size_t payload, bool whole) {
  const std::size_t total = description_.header_bytes + payload;
  const std::size_t tcp_bytes = total - description_.tcp_offset;
  const std::span<std::byte> ip = headers.subspan(description_.ip_offset);
  if (description_.ipv4) {
    PutBig16(ip, kIpv4Length, static_cast<std::uint32_t>(total - description_.ip_offset));
    PutBig16(ip, kIpv4Id, GetBig16(ip, kIpv4Id) + std::uint32_t{index_});
    PutBig16(ip, kIpv4Checksum, 0);
    const std::size_t length = description_.tcp_offset - description_.ip_offset;
    PutBig16(ip, kIpv4Checksum, static_cast<std::uint16_t>(~Fold(SumBig16(ip.first(length)))));
  } else {
    PutBig16(ip, kIpv6Length,
             static_cast<std::uint32_t>(total - description_.ip_offset - kIpv6Bytes));
  }
  const std::span<std::byte> tcp = headers.subspan(description_.tcp_offset);
  PutBig16(tcp, kTcpChecksum, Fold(std::uint64_t{pseudo_sum_} + tcp_bytes));
  if (!whole) {
    // What is before the headers' end is the whole frame's here.
    PutBig16(tcp, kTcpChecksum,
             static_cast<std::uint16_t>(~Fold(SumBig16(
                 tcp.first(description_.header_bytes + payload - description_.tcp_offset)))));
  }
}

void TcpCutter::CompleteUncut() {
  CompleteHeaders(frame_, frame_.size() - description_.header_bytes, true);
}

std::span<std::byte> TcpCutter::Next(std::span<std::byte> room) {
  const std::size_t payload = frame_.size() - description_.header_bytes;
  // Headers alone are a frame too, once.
  if (done_ >= payload && index_ > 0) {
    return {};
  }
  const std::size_t part = std::min(description_.segment_bytes, payload - done_);
  const bool last = done_ + part >= payload;
  std::memcpy(room.data(), frame_.data(), description_.header_bytes);
  std::memcpy(room.data() + description_.header_bytes,
              frame_.data() + description_.header_bytes + done_, part);
  const std::span<std::byte> cut = room.first(description_.header_bytes + part);
  const std::span<std::byte> tcp = cut.subspan(description_.tcp_offset);
  PutBig32(tcp, kTcpSequence, static_cast<std::uint32_t>(GetBig32(tcp, kTcpSequence) + done_));
  unsigned flags = std::to_integer<unsigned>(tcp[kTcpFlags]);
  if (!last) {
    flags &= ~(kTcpFin | kTcpPush);
  }
  if (index_ > 0) {
    flags &= ~kCongestionReduced;
  }
  tcp[kTcpFlags] = static_cast<std::byte>(flags);
  CompleteHeaders(cut, part, false);
  done_ += part;
  ++index_;
  return cut;
}

}  // namespace veneer
