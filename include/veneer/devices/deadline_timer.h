// One-shot timers for devices, and the one that runs on an event loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "veneer/base/event_loop.h"

namespace veneer {

// Thread-safe.
class DeadlineTimer {
 public:
  virtual ~DeadlineTimer() = default;
  // Replaces the deadline (CLOCK_MONOTONIC, ns); nothing: disarms. The owner is called back at or
  // soon after the deadline. It may also be called early or once more after a disarming, so it
  // looks at the clock for itself.
  virtual void SetDeadline(std::optional<std::uint64_t> deadline_ns) = 0;
};

// Calls back on `loop`'s thread. The callback must stay valid until the loop has stopped.
class LoopTimer final : public DeadlineTimer {
 public:
  LoopTimer(EventLoop& loop, EventLoop::Task on_deadline);
  void SetDeadline(std::optional<std::uint64_t> deadline_ns) override;

 private:
  struct State;
  EventLoop& loop_;
  // Shared with the tasks posted to the loop, which may outlive this object.
  std::shared_ptr<State> state_;
};

}  // namespace veneer
