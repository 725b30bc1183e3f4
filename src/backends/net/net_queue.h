// One queue of a NIC being served: its transmit and its receive ring.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "net_receiver.h"
#include "net_transmitter.h"
#include "nic_state.h"
#include "veneer/base/event_loop.h"
#include "veneer/base/poll_window.h"
#include "veneer/evtchn/bound_port.h"
#include "veneer/gnttab/grant_table.h"
#include "veneer/xenbus/queue_workers.h"

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
class NetQueue final : public QueueServer {
 public:
  NetQueue(NicState& nic, GrantTable& grants, EventLoop& loop, NetConnection connection);
  NetQueue(const NetQueue&) = delete;
  NetQueue& operator=(const NetQueue&) = delete;
  ~NetQueue() override;

  // Moves what there is to move, looks a while longer for more, and asks to be woken.
  void Serve() override;
  void OnKick() override {
    nic_.counters.kicks.Add();
    Serve();
  }
  void Stop(std::function<void()> done) override;

 private:
  bool Move(std::uint64_t now_ns);
  bool MayMove(const TokenBucket& limit, std::uint64_t now_ns);
  void Publish();
  void Break();
  bool ReadyToSleep();

  NicState& nic_;
  EventLoop& loop_;
  NetConnection connection_;
  NetChannel& channel_;
  NetTransmitter transmitter_;
  NetReceiver receiver_;
  PollWindow poll_;
  // Of the last look; nothing: held back by the rate limit.
  std::optional<NetTransmitter::Outcome> transmitted_;
  std::optional<NetReceiver::Outcome> received_;
  std::optional<EventLoop::TimerId> limit_timer_;
  bool broken_ = false;
  bool stopping_ = false;
  // Told to tasks that outlive this object.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace veneer
