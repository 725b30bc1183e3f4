// From the guest to the host: takes frames from a transmit ring and hands them to the link, with
// their payload where it is, in the guest's pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "net_ring.h"
#include "nic_state.h"
#include "tx_frame.h"
#include "tx_packet.h"
#include "veneer/xencompat/gnttab/pinned_grants.h"

namespace veneer {

// Belongs to its queue's thread.
class NetTransmitter {
 public:
  // `ring_page` stays mapped as long as this object.
  NetTransmitter(NicState& nic, GrantTable& grants, NetChannel& channel,
                 std::span<std::byte> ring_page);
  NetTransmitter(const NetTransmitter&) = delete;
  NetTransmitter& operator=(const NetTransmitter&) = delete;

  enum class Outcome {
    kNothing,  // the ring is empty
    kWorked,   // frames were taken; there may be more
    kFull,     // the link takes no more at present
    kBroken,   // and for ever
  };
  // One batch. Answers are put, and shown by Publish().
  Outcome Transmit(std::uint64_t now_ns);
  // True: notify the guest.
  bool Publish();
  // See BackRing::AskForEvent().
  bool AskForEvent() { return ring_.AskForEvent(); }
  std::string Report() { return ring_.Report(); }

 private:
  // What became of the frames that the link was given.
  struct Sent {
    std::uint64_t frames = 0;
    std::uint64_t bytes = 0;
    std::uint64_t segmented = 0;  // of the frames
    std::uint64_t refused = 0;
    std::uint64_t refused_bytes = 0;
    void Add(const TxPacket& packet, NetSent sent);
  };

  RingTake TakeBatch();
  void MapBatch();
  void PrepareBatch();
  bool SendBatch(std::uint64_t now_ns);
  void AnswerGroup(TxPacket& packet);
  void Answer(const TxPacket& packet, std::int16_t status);
  void Refuse(TxPacket& packet);

  NicState& nic_;
  NetChannel& channel_;
  const bool offloads_;  // of the link
  TxRing ring_;

  // The batch: taken, mapped, prepared, and answered up to `next_`.
  std::vector<TxPacket> packets_;  // reused; the first `taken_` count
  std::size_t taken_ = 0;
  std::size_t next_ = 0;
  std::vector<GrantRef> refs_;          // of the slots of all
  PinnedGrants pages_;                  // of the slots of those that are to be sent, in order
  std::vector<TxFrame> frames_;         // as many as packets_; those of sending_ point into them
  std::vector<OutgoingFrame> sending_;  // of the packets that are to be sent, in order
  std::size_t next_sending_ = 0;
  bool broken_ = false;
};

}  // namespace veneer
