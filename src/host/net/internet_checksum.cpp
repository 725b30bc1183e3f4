#include "veneer/host/net/internet_checksum.h"

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

}  // namespace

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

}  // namespace veneer
