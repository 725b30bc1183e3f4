#include "plain_frame.h"

#include <algorithm>
#include <cstring>

#include "veneer/host/net/internet_checksum.h"

namespace veneer {

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
