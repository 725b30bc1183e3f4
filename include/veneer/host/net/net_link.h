// The host's side of a NIC behind one small interface: a tap, a user-mode network, a socket. What
// shows it to the guest (the PV back-end, an emulated NIC) knows no more than this.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "veneer/host/net/net_config.h"
#include "veneer/host/net/virtio_net.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/thread.h"

namespace veneer {

// The longest frame that ever travels, bytes: the largest IP packet and its Ethernet header with a
// VLAN tag.
inline constexpr std::size_t kMaxFrame = 65535 + 18;

enum class NetSent {
  kSent,
  kFull,     // nothing taken; try again when ready_fd() has become readable
  kRefused,  // the host does not take such a frame: dropped
};

// A frame to hand over, and what became of it.
struct OutgoingFrame {
  virtio_net_hdr header{};
  std::span<const iovec> pieces;
  NetSent sent = NetSent::kFull;
};

// One queue of a link. Used by one thread at a time; it may be made on another.
//
// Frames are Ethernet frames without checksum at the end. The virtio_net_hdr that goes with each
// says what is left to be done to it: a checksum that only covers the pseudo header
// (VIRTIO_NET_HDR_F_NEEDS_CSUM), a TCP segment to be cut (gso_type). A link that does not say
// `offloads` takes no gso_type other than none, and gives out frames with nothing left to do; it
// completes checksums.
class NetChannel {
 public:
  virtual ~NetChannel() = default;
  // Hands one frame of 14 to kMaxFrame bytes over; `frame` may be used again when it returns.
  virtual NetSent Send(const virtio_net_hdr& header, std::span<const iovec> frame) = 0;
  // The same for several, in their order. After one that is kFull, all are.
  virtual void SendMany(std::span<OutgoingFrame> frames);
  // Moves the next frame to `room`, which is used from its beginning, and returns its bytes.
  // Nothing: none is there. 0: one was, and did not fit: dropped. A frame that fills all of `room`
  // may have been cut. Fastest for small frames if `room` is one piece right behind `header`.
  virtual std::optional<std::size_t> Receive(virtio_net_hdr& header,
                                             std::span<const iovec> room) = 0;
  // Before going to sleep: from now on ready_fd() becomes readable when a frame arrives, or when
  // there is room again after kFull. It may do so only once until Receive() has returned nothing,
  // so look before calling this. True if something happened meanwhile: look again.
  virtual bool Arm() = 0;
  // ready_fd() is readable: does what the link itself has to do then.
  virtual void OnReady() = 0;
  // For epoll, edge-triggered.
  virtual int ready_fd() const = 0;
};

// What a receiver can take.
struct NetOffloads {
  bool checksum = false;  // frames whose TCP or UDP checksum is not complete
  bool tso4 = false;      // uncut TCP over IPv4; needs `checksum`
  bool tso6 = false;      // and over IPv6
  friend bool operator==(const NetOffloads&, const NetOffloads&) = default;
};

// Thread-safe.
class NetLink {
 public:
  struct Facts {
    std::string name;  // "tap0", "user"; for logs and information
    bool offloads =
        false;            // Send() takes everything that NetOffloads names, and Receive() gives it
    unsigned queues = 1;  // how many channels there can be at once
    std::uint32_t mtu = 1500;              // bytes: the largest IP packet that is useful here
    ThreadKind thread = ThreadKind::kNet;  // of who uses a channel
  };

  virtual ~NetLink() = default;
  virtual Facts facts() const = 0;
  // What the guest takes; nothing at first. No effect on a link without offloads. While no channel
  // is open.
  virtual Result<void> SetReceiverOffloads(const NetOffloads& offloads) = 0;
  // Channel `queue` (below facts().queues); the link outlives it. One at a time for each number.
  // With fewer channels open than there are queues, everything arrives at those. What arrived while
  // none was open is gone.
  virtual Result<std::unique_ptr<NetChannel>> OpenChannel(unsigned queue) = 0;
};

// Makes or opens what `config` names, with the capture it asks for around it. UsageError for what
// the user can mend.
Result<std::unique_ptr<NetLink>> OpenNetLink(const NetConfig& config);

// The same link for two owners, of whom only one can have channels open at a time; it is closed
// when both are gone.
struct SharedNetLink {
  std::unique_ptr<NetLink> first;
  std::unique_ptr<NetLink> second;
};
SharedNetLink ShareNetLink(std::unique_ptr<NetLink> link);

}  // namespace veneer
