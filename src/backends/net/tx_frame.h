// A frame on its way from the guest's pages to the link.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "frame_headers.h"
#include "frame_pieces.h"
#include "tx_packet.h"
#include "veneer/host/net/net_link.h"

namespace veneer {

class TxFrame {
 public:
  // Makes `frame` one of `packet`, whose slots lie in `pages`; it points into this object and into
  // the pages. `offloads`: the link's. Returns why such a frame is not sent, or nullptr.
  //
  // What is checked here and what is sent are the same bytes, which the guest can no longer change.
  // Of frames that come with their checksum nothing is checked.
  const char* Prepare(const TxPacket& packet, std::span<std::byte* const> pages, bool offloads,
                      OutgoingFrame& frame);

 private:
  void CopyWindow(std::span<const TxSlot> slots, std::span<std::byte* const> pages);
  const char* CheckHeaders(const TxPacket& packet, std::span<std::byte* const> pages, bool offloads,
                           virtio_net_hdr& header);
  std::size_t LinearBytes(const TxPacket& packet, std::span<std::byte* const> pages,
                          std::size_t headers_bytes) const;
  void LayPieces(std::span<const TxSlot> slots, std::span<std::byte* const> pages);

  std::array<std::byte, kHeaderWindow> window_{};  // the frame's beginning, copied once
  std::size_t window_bytes_ = 0;
  std::size_t own_bytes_ = 0;  // of the window: what is sent from there, not from the guest's pages
  FramePieces pieces_;
};

}  // namespace veneer
