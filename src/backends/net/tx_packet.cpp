#include "tx_packet.h"

#include <algorithm>
#include <cstring>

#include "veneer/host/net/frame_format.h"

namespace veneer {
namespace {

netif_extra_info AsExtra(const netif_tx_request& slot) {
  netif_extra_info extra;
  std::memcpy(&extra, &slot, sizeof extra);
  return extra;
}

void SetProblem(TxPacket& packet, const char* problem) {
  if (packet.problem == nullptr) {
    packet.problem = problem;
  }
}

void ReadExtra(TxPacket& packet, const netif_extra_info& extra) {
  switch (extra.type) {
    case XEN_NETIF_EXTRA_TYPE_GSO:
      packet.segment_size = extra.u.gso.size;
      packet.segment_type = extra.u.gso.type;
      if (packet.segment_size == 0) {
        SetProblem(packet, "TCP segments of no size");
      }
      break;
    case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
    case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
      packet.group.emplace();
      std::copy(std::begin(extra.u.mcast.addr), std::end(extra.u.mcast.addr),
                packet.group->begin());
      packet.group_joined = extra.type == XEN_NETIF_EXTRA_TYPE_MCAST_ADD;
      break;
    default:
      SetProblem(packet, "extra information of a kind that was not offered");
      break;
  }
}

RingTake TakeExtras(TxRing& ring, TxPacket& packet) {
  netif_tx_request slot;
  bool more = true;
  while (more) {
    if (ring.Take(slot) != RingTake::kRequest) {
      return RingTake::kBroken;
    }
    ++packet.extras;
    const netif_extra_info extra = AsExtra(slot);
    ReadExtra(packet, extra);
    more = (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE) != 0;
  }
  return RingTake::kRequest;
}

void CheckSlot(TxPacket& packet, std::size_t offset, std::size_t size) {
  if (offset + size > kPageSize) {
    SetProblem(packet, "a slot that leaves its page");
  }
}

// `first_bytes`: the frame's, of which what the first slot holds is left in the end.
RingTake TakeMore(TxRing& ring, TxPacket& packet, std::vector<GrantRef>& refs,
                  std::size_t& first_bytes) {
  netif_tx_request slot;
  do {
    if (ring.Take(slot) != RingTake::kRequest) {
      return RingTake::kBroken;
    }
    packet.ids.push_back(slot.id);
    if (slot.size > first_bytes) {
      SetProblem(packet, "slots larger than their frame");
      first_bytes = 0;
    } else {
      first_bytes -= slot.size;
    }
    CheckSlot(packet, slot.offset, slot.size);
    if (slot.size > 0) {
      packet.slots.push_back({slot.offset, slot.size});
      refs.push_back(GrantRef{slot.gref});
    }
  } while ((slot.flags & NETTXF_more_data) != 0);
  return RingTake::kRequest;
}

// When all its slots are there. False: there is something wrong with it.
bool CheckFrame(TxPacket& packet) {
  CheckSlot(packet, packet.slots.front().offset, packet.slots.front().size);
  const std::size_t unused = packet.slots.front().size == 0 ? 1 : 0;
  if (packet.slots.size() - unused > kMaxFrameSlots) {
    SetProblem(packet, "more slots than a frame may have");
  }
  if (packet.bytes < kEthernetBytes) {
    SetProblem(packet, "a frame shorter than its header");
  }
  return packet.problem == nullptr;
}

}  // namespace

void TxPacket::Clear() {
  ids.clear();
  extras = 0;
  slots.clear();
  bytes = 0;
  flags = 0;
  segment_size = 0;
  segment_type = XEN_NETIF_GSO_TYPE_NONE;
  problem = nullptr;
  group.reset();
  group_joined = false;
}

RingTake TakePacket(TxRing& ring, TxPacket& packet, std::vector<GrantRef>& refs) {
  packet.Clear();
  netif_tx_request first;
  if (const RingTake taken = ring.Take(first); taken != RingTake::kRequest) {
    return taken;
  }
  packet.ids.push_back(first.id);
  packet.flags = first.flags;
  packet.bytes = first.size;  // of all slots together
  if ((first.flags & NETTXF_extra_info) != 0 && TakeExtras(ring, packet) != RingTake::kRequest) {
    return RingTake::kBroken;
  }
  const std::size_t before = refs.size();
  packet.slots.push_back({first.offset, 0});  // how much it holds is known last
  refs.push_back(GrantRef{first.gref});
  std::size_t first_bytes = first.size;
  if ((first.flags & NETTXF_more_data) != 0 &&
      TakeMore(ring, packet, refs, first_bytes) != RingTake::kRequest) {
    refs.resize(before);
    return RingTake::kBroken;
  }
  packet.slots.front().size = static_cast<std::uint16_t>(first_bytes);
  if (packet.group || !CheckFrame(packet)) {
    packet.slots.clear();
    refs.resize(before);
  } else if (first_bytes == 0) {
    packet.slots.erase(packet.slots.begin());
    refs.erase(refs.begin() + static_cast<std::ptrdiff_t>(before));
  }
  return RingTake::kRequest;
}

}  // namespace veneer
