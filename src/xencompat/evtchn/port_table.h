// One domain's ports: what each is bound to, and finding a free one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "veneer/xencompat/abi/xen_headers.h"
#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

enum class PortState : std::uint8_t {
  kFree,
  kReserved,     // port 0
  kUnbound,      // waits for remote_dom to bind
  kInterdomain,  // connected to remote_port of remote_dom
  kVirq,
  kIpi,
};

struct Port {
  PortState state = PortState::kFree;
  DomId remote_dom;
  std::uint32_t remote_port = 0;
  std::uint32_t virq = 0;
  std::uint32_t vcpu = 0;  // which vCPU of the guest is notified

  // FIFO ABI only. The last queue outlives a close, because the port may still be its tail.
  std::uint8_t priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
  std::uint8_t last_priority = 0;
  std::uint32_t last_vcpu = 0;
  bool pending_without_word = false;  // to be delivered when its array page arrives

  bool InUse() const { return state != PortState::kFree && state != PortState::kReserved; }
};

// Not thread-safe. References are valid until the next FindFree().
class PortTable {
 public:
  PortTable() : ports_(kStep) { ports_[0].state = PortState::kReserved; }

  std::uint32_t size() const { return static_cast<std::uint32_t>(ports_.size()); }

  // The slot of any number that was ever within the table, in use or not; nullptr beyond.
  Port* Find(EvtchnPort port) { return port.value < size() ? &ports_[port.value] : nullptr; }
  const Port* Find(EvtchnPort port) const {
    return port.value < size() ? &ports_[port.value] : nullptr;
  }
  // Only if it is in use.
  Port* FindInUse(EvtchnPort port) {
    Port* found = Find(port);
    return found != nullptr && found->InUse() ? found : nullptr;
  }
  Port& at(std::uint32_t number) { return ports_[number]; }

  // The lowest free port up to and including `max` for which `busy(number)` is false, or 0. It
  // stays free until the caller sets its state.
  template <typename Busy>
  std::uint32_t FindFree(std::uint32_t max, Busy busy) {
    bool passed_free = false;
    for (std::uint32_t number = first_candidate_; number <= max; ++number) {
      if (number >= size()) {
        ports_.resize(ports_.size() + kStep);
      }
      if (ports_[number].state != PortState::kFree) {
        continue;
      }
      if (!passed_free) {
        first_candidate_ = number;
        passed_free = true;
      }
      if (!busy(number)) {
        return number;
      }
    }
    return 0;
  }

  // Back to kFree, keeping what the FIFO ABI must remember.
  void Free(std::uint32_t number) {
    Port& port = ports_[number];
    Port fresh;
    fresh.last_priority = port.last_priority;
    fresh.last_vcpu = port.last_vcpu;
    port = fresh;
    first_candidate_ = std::min(first_candidate_, number);
  }

 private:
  static constexpr std::uint32_t kStep = 64;

  std::vector<Port> ports_;
  std::uint32_t first_candidate_ = 1;  // no port below is free
};

}  // namespace veneer
