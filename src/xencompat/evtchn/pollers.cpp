#include "pollers.h"

#include <algorithm>
#include <chrono>

#include "veneer/vmm/base/check.h"

namespace veneer {

using PollOutcome = EventChannels::PollOutcome;

Pollers::Pollers(std::uint32_t vcpus) {
  slots_.reserve(vcpus);
  for (std::uint32_t vcpu = 0; vcpu < vcpus; ++vcpu) {
    slots_.push_back(std::make_unique<Slot>());
  }
}

PollOutcome Pollers::Wait(std::uint32_t vcpu, std::span<const EvtchnPort> ports,
                          std::optional<std::uint64_t> deadline_ns, Mutex& lock) {
  Slot& slot = *slots_[vcpu];
  // A vCPU is one thread.
  VENEER_CHECK(!slot.polling);
  slot.ports.assign(ports.begin(), ports.end());
  std::sort(slot.ports.begin(), slot.ports.end());
  slot.polling = true;
  slot.ready = false;
  polling_.push_back(&slot);

  if (deadline_ns) {
    // Steady time is CLOCK_MONOTONIC. A deadline beyond what it can count is as good as the last
    // one that it can.
    using std::chrono::nanoseconds;
    const auto limit = static_cast<std::uint64_t>(nanoseconds::max().count());
    const nanoseconds deadline(static_cast<std::int64_t>(std::min(*deadline_ns, limit)));
    const std::chrono::steady_clock::time_point end(deadline);
    while (!slot.ready && slot.changed.WaitUntil(lock, end)) {
    }
  } else {
    while (!slot.ready) {
      slot.changed.Wait(lock);
    }
  }

  polling_.erase(std::find(polling_.begin(), polling_.end(), &slot));
  slot.polling = false;
  return slot.ready ? PollOutcome::kReady : PollOutcome::kTimeout;
}

void Pollers::Wake(EvtchnPort port) {
  for (Slot* slot : polling_) {
    if (std::binary_search(slot->ports.begin(), slot->ports.end(), port)) {
      slot->ready = true;
      slot->changed.NotifyOne();
    }
  }
}

}  // namespace veneer
