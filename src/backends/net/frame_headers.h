// What a frame's headers say about its checksum: enough of Ethernet, IPv4, IPv6, TCP and UDP to
// tell a NIC or a tap where it is and what it covers (RFC 791, 8200, 9293, 768).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace veneer {

// How much of a frame is looked at, bytes: longer chains of IPv6 extension headers than that are
// not followed.
inline constexpr std::size_t kHeaderWindow = 256;

struct TransportHeader {
  bool ipv6 = false;
  bool tcp = false;               // else UDP
  std::size_t offset = 0;         // of the TCP or UDP header, from the frame's beginning, bytes
  std::size_t length = 0;         // of header and payload, as IP says
  std::size_t headers_bytes = 0;  // from the frame's beginning to the end of the TCP or UDP header
  // Within it.
  std::size_t checksum_offset() const { return tcp ? 16 : 6; }
};

// `window`: the frame's first bytes, kHeaderWindow of them or all there are; `frame_bytes`: how
// long the frame is. Nothing for frames that are not TCP or UDP over IP, for fragments, and for
// headers that do not fit into the window or the frame.
std::optional<TransportHeader> FindTransportHeader(std::span<const std::byte> window,
                                                   std::size_t frame_bytes);

// Writes the sum over the pseudo header to where the checksum goes, as whoever completes a partial
// checksum expects it there. `header` was found in this window.
void PutPseudoHeaderSum(std::span<std::byte> window, const TransportHeader& header);

}  // namespace veneer
