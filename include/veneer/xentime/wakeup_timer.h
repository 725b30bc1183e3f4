// One alarm clock: the only thing the Xen timers need from an event loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "veneer/base/event_loop.h"

namespace veneer {

// Thread-safe.
class WakeupTimer {
 public:
  virtual ~WakeupTimer() = default;
  // Replaces the deadline (CLOCK_MONOTONIC, ns); nothing: no wake-up needed. The owner is woken at
  // or soon after the deadline; it may also be woken early or once too often and looks at the clock
  // for itself.
  virtual void SetDeadline(std::optional<std::uint64_t> deadline_ns) = 0;
};

// Calls `on_wakeup` on the loop's thread.
class LoopWakeupTimer final : public WakeupTimer {
 public:
  // `on_wakeup` and what it uses must stay valid until the loop has stopped.
  LoopWakeupTimer(EventLoop& loop, EventLoop::Task on_wakeup);
  void SetDeadline(std::optional<std::uint64_t> deadline_ns) override;

 private:
  struct State;
  EventLoop& loop_;
  // Shared with what is posted to the loop, which may outlive this object.
  std::shared_ptr<State> state_;
};

}  // namespace veneer
