// Frames that a front-end cannot take as they come: it looks for a partial checksum and for the
// headers of an uncut segment right behind the Ethernet header, and drops all else (Linux:
// skb_checksum_setup). A VLAN on the host's side of a tap sends its frames so, with a tag before.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "veneer/host/net/tcp_cutter.h"
#include "veneer/host/net/virtio_net.h"

namespace veneer {

// Takes one such frame at a time, and gives it out with nothing left to be done. One thread.
class PlainSegments {
 public:
  // Whether a frame that begins with these bytes, at least an Ethernet header, is such a one.
  static bool Wanted(const virtio_net_hdr& header, std::span<const std::byte> begin);

  // Where a frame is put before Take(); kMaxFrame bytes.
  std::span<std::byte> room();
  // Takes the first `bytes` of the room. False, and nothing to be given out: its headers are not
  // what `header` says.
  bool Take(const virtio_net_hdr& header, std::size_t bytes);
  // The next frame, in `out`, which has kMaxFrame bytes; 0: that was the last.
  std::size_t Next(std::span<std::byte> out);

 private:
  std::unique_ptr<std::byte[]> frame_;  // once one has come
  std::size_t whole_ = 0;               // bytes of a frame that only had a checksum to complete
  std::optional<TcpCutter> cutter_;
};

}  // namespace veneer
