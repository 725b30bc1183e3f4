// The input is a virtio_net_hdr, the lengths of a frame's pieces, and the frame. Whatever the
// header says, the copy is the frame but for two bytes inside it, or there is none.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "src/host/net/plain_frame.h"
#include "src/host/net/slirp_guard.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

constexpr std::size_t kPieces = 8;

void Run(std::span<const std::uint8_t> input) {
  virtio_net_hdr header{};
  std::array<std::uint8_t, kPieces> lengths{};
  if (input.size() < sizeof header + lengths.size()) {
    return;
  }
  std::memcpy(&header, input.data(), sizeof header);
  std::memcpy(lengths.data(), input.data() + sizeof header, lengths.size());
  std::vector<std::uint8_t> frame(input.begin() + sizeof header + kPieces, input.end());

  // The last piece has the rest.
  std::vector<iovec> pieces;
  std::size_t at = 0;
  for (const std::uint8_t length : lengths) {
    const std::size_t count = std::min<std::size_t>(length, frame.size() - at);
    pieces.push_back({frame.data() + at, count});
    at += count;
  }
  pieces.push_back({frame.data() + at, frame.size() - at});

  // Of its exact size, so that the sanitizer sees what leaves it.
  std::vector<std::byte> room(std::min<std::size_t>(frame.size(), kMaxFrame));
  const auto plain = TakePlainFrame(header, pieces, room);
  const bool checksum = (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
  const std::size_t place = std::size_t{header.csum_start} + header.csum_offset;
  const bool fits = frame.size() >= kMinFrame && frame.size() <= kMaxFrame &&
                    header.gso_type == VIRTIO_NET_HDR_GSO_NONE &&
                    (!checksum || place + 2 <= frame.size());
  VENEER_CHECK(plain.has_value() == fits);
  if (plain) {
    SlirpGuard guard;
    static_cast<void>(guard.Admits(*plain, 0, 1));
    static_cast<void>(guard.Admits(*plain, SlirpGuard::kMaxSockets, 1));
    VENEER_CHECK(plain->size() == frame.size());
    for (std::size_t i = 0; i < frame.size(); ++i) {
      VENEER_CHECK(std::to_integer<std::uint8_t>((*plain)[i]) == frame[i] ||
                   (checksum && i - place < 2));
    }
  }
}

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  veneer::Run(std::span(data, size));
  return 0;
}
