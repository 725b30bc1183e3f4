// The vCPU threads that block in SCHEDOP_poll.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "veneer/xencompat/evtchn/event_channels.h"

namespace veneer {

// Every call with the lock of the event channels held, which is Wait()'s `lock`: it gives it up
// while it blocks.
class Pollers {
 public:
  explicit Pollers(std::uint32_t vcpus);

  EventChannels::PollOutcome Wait(std::uint32_t vcpu, std::span<const EvtchnPort> ports,
                                  std::optional<std::uint64_t> deadline_ns, Mutex& lock)
      REQUIRES(lock);
  void Wake(EvtchnPort port);

 private:
  struct Slot {
    Condition changed;
    std::vector<EvtchnPort> ports;  // sorted; meaningful while polling
    bool polling = false;
    bool ready = false;
  };
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> polling_;
};

}  // namespace veneer
