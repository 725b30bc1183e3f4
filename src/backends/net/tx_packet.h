// A frame in the guest's transmit ring, put together from its slots.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "net_ring.h"
#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

// What one slot adds to a frame: `size` bytes of a granted page from `offset` on, never beyond it.
struct TxSlot {
  std::uint16_t offset = 0;
  std::uint16_t size = 0;
};

struct TxPacket {
  // Of every slot with data, malformed ones included: each is answered.
  std::vector<std::uint16_t> ids;
  std::uint32_t extras = 0;        // slots with a netif_extra_info, answered with NETIF_RSP_NULL
  std::vector<TxSlot> slots;       // without those of no size; at most kMaxFrameSlots
  std::size_t bytes = 0;           // of the frame
  std::uint16_t flags = 0;         // NETTXF_* of its first slot
  std::uint16_t segment_size = 0;  // of uncut TCP: the payload of one segment; 0: it is no such
  std::uint8_t segment_type = 0;   // XEN_NETIF_GSO_TYPE_*
  const char* problem = nullptr;   // why it is not sent; nullptr: nothing is wrong
  // A message about multicast groups instead of a frame: slots are empty.
  std::optional<std::array<std::uint8_t, 6>> group;
  bool group_joined = false;

  void Clear();
};

// Takes the next frame's slots, all of them, good or bad, and adds the grants of packet.slots to
// `refs`; a packet with a problem has none. kBroken: the ring's indices make no
// sense, or a frame ends in the middle: a front-end shows the slots of one all at once.
RingTake TakePacket(TxRing& ring, TxPacket& packet, std::vector<GrantRef>& refs);

}  // namespace veneer
