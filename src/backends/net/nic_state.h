// What the queues of one NIC share.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "veneer/backends/bus/polled_queue.h"
#include "veneer/host/net/net_link.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/token_bucket.h"

namespace veneer {

// "net.NUMBER.*"; see the area's README. Transmitted and received are the guest's words for it.
struct NicCounters {
  NicCounters(Metrics& metrics, unsigned number);

  Counter& tx_frames;
  Counter& tx_bytes;
  Counter& tx_gso;      // uncut TCP
  Counter& tx_bad;      // malformed: dropped
  Counter& tx_refused;  // the host did not take it
  Counter& tx_notifications;
  Counter& tx_suppressed;  // batches of responses that the guest did not want to hear of
  Counter& rx_frames;
  Counter& rx_bytes;
  Counter& rx_gso;
  Counter& rx_dropped;     // too large for what the guest had posted, or not wanted
  Counter& rx_bad;         // buffers that cannot be used
  Counter& rx_no_room;     // times that frames had to wait for buffers
  Counter& rx_moved;       // bytes copied once more, because the kind of frame was guessed wrong
  Counter& rx_made_plain;  // frames cut or completed for the front-end, see PlainSegments
  Counter& rx_notifications;
  Counter& rx_suppressed;
  QueueCounters queues;

 private:
  using Lookup = std::function<Counter&(std::string_view name)>;
  explicit NicCounters(const Lookup& counter);
};

// The multicast groups that a guest wants to hear, once it has said that it names them
// (feature-multicast-control). Thread-safe.
class MulticastFilter {
 public:
  static constexpr std::size_t kMaxGroups = 64;

  // Begins anew. Switched off, everything passes.
  void Reset(bool on);
  // False: no multicast address, or too many of them.
  bool Add(const std::array<std::uint8_t, 6>& group);
  void Remove(const std::array<std::uint8_t, 6>& group);
  // `destination`: a frame's first six bytes.
  bool Passes(const std::array<std::uint8_t, 6>& destination) const;

 private:
  std::atomic<bool> on_{false};
  mutable Mutex mutex_;
  std::set<std::array<std::uint8_t, 6>> groups_ GUARDED_BY(mutex_);
};

// Thread-safe.
struct NicState {
  NicState(unsigned nic_number, const NetConfig& net_config, NetLink& net_link, Metrics& metrics)
      : number(nic_number),
        config(net_config),
        link(net_link),
        counters(metrics, nic_number),
        tx_limit(net_config.bytes_per_second),
        rx_limit(net_config.bytes_per_second) {}

  const unsigned number;
  const NetConfig config;
  NetLink& link;
  NicCounters counters;
  TokenBucket tx_limit;
  TokenBucket rx_limit;
  MulticastFilter multicast;
  LogLimiter guest_limiter;
};

}  // namespace veneer
