#include "plain_segments.h"

#include <algorithm>
#include <utility>

#include "frame_headers.h"
#include "veneer/host/net/frame_format.h"
#include "veneer/host/net/internet_checksum.h"
#include "veneer/host/net/net_link.h"

namespace veneer {
namespace {

bool IsUncut(const virtio_net_hdr& header) { return header.gso_type != VIRTIO_NET_HDR_GSO_NONE; }

std::optional<UncutTcp> Describe(const virtio_net_hdr& header, std::span<const std::byte> frame) {
  const auto found =
      FindTransportHeader(frame.first(std::min(frame.size(), kHeaderWindow)), frame.size());
  if (!found || !found->tcp || header.gso_size == 0) {
    return std::nullopt;
  }
  std::size_t ip = kEthernetBytes;
  while (GetBig16(frame, ip - 2) != (found->ipv6 ? kTypeIpv6 : kTypeIpv4)) {
    ip += kVlanTagBytes;
  }
  return UncutTcp{.ipv4 = !found->ipv6,
                  .ip_offset = ip,
                  .tcp_offset = found->offset,
                  .header_bytes = found->headers_bytes,
                  .segment_bytes = header.gso_size};
}

}  // namespace

bool PlainSegments::Wanted(const virtio_net_hdr& header, std::span<const std::byte> begin) {
  if (!IsUncut(header) && (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0) {
    return false;
  }
  const unsigned type = begin.size() < kEthernetBytes ? 0 : GetBig16(begin, kEthernetBytes - 2);
  return type != kTypeIpv4 && type != kTypeIpv6;
}

std::span<std::byte> PlainSegments::room() {
  if (frame_ == nullptr) {
    frame_ = std::make_unique_for_overwrite<std::byte[]>(kMaxFrame);
  }
  return {frame_.get(), kMaxFrame};
}

bool PlainSegments::Take(const virtio_net_hdr& header, std::size_t bytes) {
  cutter_.reset();
  whole_ = 0;
  const std::span<std::byte> frame = room().first(bytes);
  if (!IsUncut(header)) {
    const bool completed = header.csum_start >= kEthernetBytes && CompleteChecksum(header, frame);
    whole_ = completed ? bytes : 0;
    return whole_ > 0;
  }
  const std::optional<UncutTcp> description = Describe(header, frame);
  if (!description || !TcpCutter::Valid(frame, *description)) {
    return false;
  }
  // The cutter wants the pseudo header's sum without the length: that of the whole comes off.
  const std::span<std::byte> tcp = frame.subspan(description->tcp_offset);
  const std::uint64_t length = tcp.size();
  PutBig16(tcp, kTcpChecksum,
           Fold(std::uint64_t{GetBig16(tcp, kTcpChecksum)} + (~length & 0xffffU)));
  cutter_.emplace(frame, *description);
  return true;
}

std::size_t PlainSegments::Next(std::span<std::byte> out) {
  if (cutter_) {
    const std::size_t bytes = cutter_->Next(out).size();
    if (bytes == 0) {
      cutter_.reset();
    }
    return bytes;
  }
  const std::size_t bytes = std::exchange(whole_, 0);
  std::copy_n(room().begin(), bytes, out.begin());
  return bytes;
}

}  // namespace veneer
