#include "plain_frame.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace veneer {
namespace {

// The Internet checksum (RFC 1071) of `bytes`, as it lies in memory. What is in the checksum's own
// place, the pseudo header's sum, counts as data.
std::uint16_t InternetChecksum(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0;  // no frame is long enough to make it overflow
  while (bytes.size() >= sizeof(std::uint64_t)) {
    std::uint64_t words = 0;
    std::memcpy(&words, bytes.data(), sizeof words);
    sum += (words & 0xffff'ffffU) + (words >> 32U);
    bytes = bytes.subspan(sizeof words);
  }
  std::uint64_t rest = 0;
  std::memcpy(&rest, bytes.data(), bytes.size());
  sum += (rest & 0xffff'ffffU) + (rest >> 32U);
  while (sum > 0xffffU) {
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(~sum);
}

bool CompleteChecksum(const virtio_net_hdr& header, std::span<std::byte> frame) {
  const std::size_t start = header.csum_start;
  const std::size_t place = start + header.csum_offset;
  if (place + sizeof(std::uint16_t) > frame.size()) {
    return false;
  }
  std::uint16_t sum = InternetChecksum(frame.subspan(start));
  if (sum == 0) {
    sum = 0xffff;  // the same value; 0 would say that UDP has no checksum
  }
  std::memcpy(frame.data() + place, &sum, sizeof sum);
  return true;
}

}  // namespace

std::optional<std::span<std::byte>> TakePlainFrame(const virtio_net_hdr& header,
                                                   std::span<const iovec> frame,
                                                   std::span<std::byte> room) {
  const std::size_t most = std::min(room.size(), kMaxFrame);
  std::size_t size = 0;
  for (const iovec& piece : frame) {
    if (piece.iov_len > most - size) {
      return std::nullopt;
    }
    if (piece.iov_len > 0) {
      std::memcpy(room.data() + size, piece.iov_base, piece.iov_len);
      size += piece.iov_len;
    }
  }
  const std::span<std::byte> copy = room.first(size);
  if (size < kMinFrame || header.gso_type != VIRTIO_NET_HDR_GSO_NONE ||
      ((header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0 && !CompleteChecksum(header, copy))) {
    return std::nullopt;
  }
  return copy;
}

std::size_t PutFrame(std::span<const std::byte> frame, std::span<const iovec> room) {
  if (frame.size() > TotalBytes(room)) {
    return 0;
  }
  std::size_t done = 0;
  for (const iovec& piece : room) {
    const std::size_t count = std::min(piece.iov_len, frame.size() - done);
    if (count > 0) {
      std::memcpy(piece.iov_base, frame.data() + done, count);
      done += count;
    }
  }
  return done;
}

std::size_t TotalBytes(std::span<const iovec> pieces) {
  std::size_t total = 0;
  for (const iovec& piece : pieces) {
    total += piece.iov_len;
  }
  return total;
}

}  // namespace veneer
