// Cuts a TCP segment that is longer than the wire allows into frames, as a NIC with TCP
// segmentation does for its driver.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace veneer {

// Where the headers of an uncut segment are, as its driver says.
struct UncutTcp {
  bool ipv4 = false;          // else IPv6
  std::size_t ip_offset = 0;  // from the frame's beginning, bytes
  std::size_t tcp_offset = 0;
  std::size_t header_bytes = 0;   // of all headers
  std::size_t segment_bytes = 0;  // most payload of one frame
};

// The headers hold what the driver leaves to the NIC as Intel's does: lengths and the IPv4 header's
// checksum are to be filled in, and TCP's checksum is the pseudo header's sum without the length.
class TcpCutter {
 public:
  // `frame` and `description` come from the guest. False, and nothing to be used, if the headers do
  // not lie one after the other inside the frame, or nothing would ever be cut off.
  static bool Valid(std::span<const std::byte> frame, const UncutTcp& description);
  // `frame` is changed, and stays for as long as this object. It is valid.
  TcpCutter(std::span<std::byte> frame, const UncutTcp& description);

  // The next frame, in `room`, which has space for header_bytes + segment_bytes; empty: that was
  // the last.
  std::span<std::byte> Next(std::span<std::byte> room);

  // Completes the headers of the whole for someone who will do the cutting: lengths, the IPv4
  // header's checksum, the pseudo header's sum with the length.
  void CompleteUncut();

 private:
  void CompleteHeaders(std::span<std::byte> headers, std::size_t payload, bool whole);

  std::span<std::byte> frame_;
  const UncutTcp description_;
  std::size_t done_ = 0;     // of the payload
  std::uint32_t index_ = 0;  // of the next frame
  std::uint16_t pseudo_sum_ = 0;
};

}  // namespace veneer
