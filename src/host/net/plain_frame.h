// What links without offloads do with the guest's frames. Frames lie in guest memory and may change
// at any time: they are copied once, and the copy is looked at.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <optional>
#include <span>

#include "veneer/host/net/net_link.h"

namespace veneer {

// The shortest frame: an Ethernet header.
inline constexpr std::size_t kMinFrame = 14;

// Copies `frame` to the beginning of `room` and completes its checksum, if that is left to be done.
// Nothing if it is shorter than kMinFrame or longer than `room` or kMaxFrame, wants more than a
// checksum, or wants that outside itself.
std::optional<std::span<std::byte>> TakePlainFrame(const virtio_net_hdr& header,
                                                   std::span<const iovec> frame,
                                                   std::span<std::byte> room);

// Copies `frame` to the beginning of `room` and returns its bytes; 0 if it does not fit.
std::size_t PutFrame(std::span<const std::byte> frame, std::span<const iovec> room);

std::size_t TotalBytes(std::span<const iovec> pieces);

}  // namespace veneer
