#include "nic_state.h"

#include <fmt/core.h>

namespace veneer {

NicCounters::NicCounters(const Lookup& counter)
    : tx_frames(counter("tx_frames")),
      tx_bytes(counter("tx_bytes")),
      tx_gso(counter("tx_gso")),
      tx_bad(counter("tx_bad")),
      tx_refused(counter("tx_refused")),
      tx_notifications(counter("tx_notifications")),
      tx_suppressed(counter("tx_suppressed")),
      rx_frames(counter("rx_frames")),
      rx_bytes(counter("rx_bytes")),
      rx_gso(counter("rx_gso")),
      rx_dropped(counter("rx_dropped")),
      rx_bad(counter("rx_bad")),
      rx_no_room(counter("rx_no_room")),
      rx_moved(counter("rx_moved")),
      rx_made_plain(counter("rx_made_plain")),
      rx_notifications(counter("rx_notifications")),
      rx_suppressed(counter("rx_suppressed")),
      queues(counter) {}

NicCounters::NicCounters(Metrics& metrics, unsigned number)
    : NicCounters([&](std::string_view name) -> Counter& {
        return metrics.Get(fmt::format("net.{}.{}", number, name));
      }) {}

namespace {

constexpr unsigned kGroupBit = 1;  // of an address's first byte
constexpr std::array<std::uint8_t, 6> kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

}  // namespace

void MulticastFilter::Reset(bool on) {
  const MutexLock lock(mutex_);
  groups_.clear();
  on_ = on;
}

bool MulticastFilter::Add(const std::array<std::uint8_t, 6>& group) {
  const MutexLock lock(mutex_);
  if ((group[0] & kGroupBit) == 0 || groups_.size() >= kMaxGroups) {
    return false;
  }
  groups_.insert(group);
  return true;
}

void MulticastFilter::Remove(const std::array<std::uint8_t, 6>& group) {
  const MutexLock lock(mutex_);
  groups_.erase(group);
}

bool MulticastFilter::Passes(const std::array<std::uint8_t, 6>& destination) const {
  if (!on_.load(std::memory_order_relaxed) || (destination[0] & kGroupBit) == 0 ||
      destination == kBroadcast) {
    return true;
  }
  const MutexLock lock(mutex_);
  return groups_.contains(destination);
}

}  // namespace veneer
