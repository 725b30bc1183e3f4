// The transmit half of the NIC: takes descriptors, puts frames together, does what the driver
// leaves to the NIC, and hands them to the link.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "e1000_registers.h"
#include "veneer/host/net/net_link.h"
#include "veneer/host/net/tcp_cutter.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

using E1000Descriptor = std::array<std::byte, e1000::kDescriptorBytes>;

// Belongs to the NIC's thread. A frame is copied out of guest memory once, and the copy looked at.
class E1000Transmitter {
 public:
  struct Counts {
    std::uint64_t frames = 0;  // on the wire, or whole ones for a link that cuts them itself
    std::uint64_t bytes = 0;
    std::uint64_t multicast = 0;
    std::uint64_t broadcast = 0;
    std::uint64_t dropped = 0;   // malformed, too long, or refused by the link
    std::uint64_t contexts = 0;  // of uncut TCP
  };

  explicit E1000Transmitter(GuestMemory& memory) : memory_(memory) {}

  // Forgets frames and contexts.
  void Reset();
  // One descriptor, which is not taken while Busy(). True if its status is to be written back.
  bool Take(const E1000Descriptor& descriptor, NetChannel& channel, bool offloads);
  // The link has no room for what has been taken.
  bool Blocked() const { return blocked_; }
  // What has been taken is still going out: the link has no room, or the turn is over.
  bool Busy() const { return blocked_ || cutter_.has_value(); }
  // How many frames may go out from now on: one that is cut here may be 65 000.
  void StartTurn(std::uint32_t frames) { left_ = frames; }
  // Goes on with it.
  void Retry(NetChannel& channel);
  // What has been sent since the last call.
  Counts TakeCounts();

 private:
  struct Context {
    UncutTcp tcp;
    std::size_t ip_start = 0, ip_place = 0, ip_end = 0;  // of checksums: sum from, put at, sum to
    std::size_t tcp_start = 0, tcp_place = 0, tcp_end = 0;
  };
  void TakeContext(const E1000Descriptor& descriptor);
  void TakeData(std::uint64_t address, std::size_t length);
  void EndFrame(NetChannel& channel, bool offloads);
  void EndPlain(NetChannel& channel);
  void EndUncut(NetChannel& channel, bool offloads);
  void InsertVlanTag();
  void Send(NetChannel& channel, std::span<const std::byte> frame, const virtio_net_hdr& header);
  void SendCut(NetChannel& channel);
  void Drop();

  GuestMemory& memory_;
  Context plain_;
  Context uncut_;

  // The frame being put together.
  std::vector<std::byte> frame_;
  bool begun_ = false;
  bool bad_ = false;
  bool segment_ = false;
  std::uint8_t options_ = 0;                            // kTxIpChecksum, kTxTcpChecksum
  std::optional<std::array<std::size_t, 2>> checksum_;  // of a legacy one: start and place
  std::optional<std::uint16_t> vlan_;

  // What waits for room in the link.
  bool blocked_ = false;
  std::uint32_t left_ = 0;  // of this turn's frames
  std::span<const std::byte> waiting_;
  virtio_net_hdr waiting_header_{};
  std::optional<TcpCutter> cutter_;
  std::vector<std::byte> cut_;
  Counts counts_;
};

}  // namespace veneer
