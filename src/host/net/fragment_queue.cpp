#include "fragment_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "veneer/host/net/frame_format.h"
#include "veneer/host/net/internet_checksum.h"

namespace veneer {
namespace {

constexpr std::size_t kRoomForHeaders = kEthernetBytes + 60;
constexpr std::size_t kMostBytes = 65535;  // of a datagram with its header
constexpr unsigned kMoreFragments = 0x2000;
constexpr unsigned kOffset = 0x1fff;

}  // namespace

bool FragmentQueue::IsFragment(std::span<const std::byte> frame) {
  return frame.size() >= kEthernetBytes + 8 && GetBig16(frame, kEthernetBytes - 2) == kTypeIpv4 &&
         (GetBig16(frame, kEthernetBytes + 6) & (kMoreFragments | kOffset)) != 0;
}

FragmentQueue::Datagram& FragmentQueue::Find(const Key& key, std::uint64_t now_ns) {
  while (!datagrams_.empty() && datagrams_.front().begun_ns + kLongestNs < now_ns) {
    datagrams_.pop_front();
    ++dropped_;
  }
  const auto it = std::ranges::find(datagrams_, key, &Datagram::key);
  if (it != datagrams_.end()) {
    return *it;
  }
  if (datagrams_.size() >= kMostDatagrams) {
    datagrams_.pop_front();
    ++dropped_;
  }
  Datagram& datagram = datagrams_.emplace_back();
  datagram.key = key;
  datagram.begun_ns = now_ns;
  // Cleared: nothing of ours could leave with a datagram, whatever its parts claim.
  datagram.bytes = std::make_unique<std::byte[]>(kRoomForHeaders + kMostBytes);
  return datagram;
}

void FragmentQueue::Drop(const Datagram& datagram) {
  ++dropped_;
  datagrams_.remove_if([&datagram](const Datagram& one) { return &one == &datagram; });
}

std::optional<std::span<const std::byte>> FragmentQueue::Take(std::span<const std::byte> frame,
                                                              std::uint64_t now_ns) {
  if (frame.size() < kEthernetBytes + kIpv4Bytes) {
    ++dropped_;
    return std::nullopt;
  }
  const std::size_t header = (std::to_integer<std::size_t>(frame[kEthernetBytes]) & 0xfU) * 4;
  const std::size_t total = GetBig16(frame, kEthernetBytes + 2);
  const unsigned field = GetBig16(frame, kEthernetBytes + 6);
  const std::size_t offset = std::size_t{field & kOffset} * kUnit;
  const bool last = (field & kMoreFragments) == 0;
  if (header < kIpv4Bytes || total <= header || kEthernetBytes + total > frame.size()) {
    ++dropped_;
    return std::nullopt;
  }
  const std::span<const std::byte> part = frame.subspan(kEthernetBytes + header, total - header);
  if (header + offset + part.size() > kMostBytes || (!last && part.size() % kUnit != 0)) {
    ++dropped_;
    return std::nullopt;
  }
  Datagram& datagram =
      Find({GetBig32(frame, kEthernetBytes + 12), GetBig32(frame, kEthernetBytes + 16),
            static_cast<std::uint16_t>(GetBig16(frame, kEthernetBytes + 4)),
            std::to_integer<std::uint8_t>(frame[kEthernetBytes + 9])},
           now_ns);
  const std::size_t first = offset / kUnit;
  const std::size_t end = (offset + part.size() + kUnit - 1) / kUnit;
  bool overlaps = false;
  for (std::size_t i = first; i < end; ++i) {
    overlaps = overlaps || datagram.there.test(i);
    datagram.there.set(i);
  }
  datagram.reach = std::max(datagram.reach, offset + part.size());
  const bool second_end = last && datagram.payload != 0;
  if (last) {
    datagram.payload = offset + part.size();
  }
  if (overlaps || second_end || (datagram.payload != 0 && datagram.reach > datagram.payload)) {
    Drop(datagram);
    return std::nullopt;
  }
  datagram.units += end - first;
  std::memcpy(datagram.bytes.get() + kRoomForHeaders + offset, part.data(), part.size());
  if (offset == 0) {
    datagram.header_bytes = kEthernetBytes + header;
    std::memcpy(datagram.bytes.get() + kRoomForHeaders - datagram.header_bytes, frame.data(),
                datagram.header_bytes);
  }
  if (datagram.header_bytes == 0 || datagram.payload == 0 ||
      datagram.units != (datagram.payload + kUnit - 1) / kUnit) {
    return std::nullopt;
  }
  whole_ = std::move(datagram);
  datagrams_.remove_if([&datagram](const Datagram& one) { return &one == &datagram; });
  const std::size_t bytes = whole_.header_bytes + whole_.payload;
  if (bytes - kEthernetBytes > kMostBytes) {
    ++dropped_;  // its first fragment has more options than the last
    return std::nullopt;
  }
  const std::span<std::byte> datagram_frame(
      whole_.bytes.get() + kRoomForHeaders - whole_.header_bytes, bytes);
  const std::span<std::byte> ip =
      datagram_frame.subspan(kEthernetBytes, whole_.header_bytes - kEthernetBytes);
  PutBig16(ip, 2, static_cast<std::uint32_t>(bytes - kEthernetBytes));
  PutBig16(ip, 6, 0);
  PutBig16(ip, 10, 0);
  PutBig16(ip, 10, static_cast<std::uint16_t>(~Fold(SumBig16(ip))));
  return datagram_frame;
}

}  // namespace veneer
