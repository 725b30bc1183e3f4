// One queue of a NIC being served: its transmit and its receive ring.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net_receiver.h"
#include "net_transmitter.h"
#include "nic_state.h"
#include "veneer/backends/bus/polled_queue.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/xencompat/evtchn/bound_port.h"
#include "veneer/xencompat/gnttab/grant_table.h"

namespace veneer {

// What one connection of a front-end brings for one queue.
struct NetConnection {
  PinnedGrant tx_ring;
  PinnedGrant rx_ring;
  BoundPort tx_port;
  std::optional<BoundPort> rx_port;  // without: the same as tx_port
  ReceiveAbilities abilities;
  std::unique_ptr<NetChannel> channel;
  std::function<void()> on_broken;  // called once, on the queue's thread
};

// Belongs to its worker's thread. Frames are moved at once, so nothing is ever under way.
class NetQueue final : public PolledQueue {
 public:
  NetQueue(NicState& nic, GrantTable& grants, EventLoop& loop, NetConnection connection);
  ~NetQueue() override;

  void Serve() override;
  void Stop(std::function<void()> done) override;
  std::string Report() override;

 private:
  Look LookForWork(std::uint64_t now_ns);
  bool Move(std::uint64_t now_ns);
  bool MayMove(const TokenBucket& limit, std::uint64_t now_ns);
  void Publish();
  void Break();
  bool ReadyToSleep();

  NicState& nic_;
  NetConnection connection_;
  NetChannel& channel_;
  NetTransmitter transmitter_;
  NetReceiver receiver_;
  // Of the last look; nothing: held back by the rate limit.
  std::optional<NetTransmitter::Outcome> transmitted_;
  std::optional<NetReceiver::Outcome> received_;
  bool broken_ = false;
  bool stopping_ = false;
};

}  // namespace veneer
