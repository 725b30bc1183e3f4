// One-shot timers, and the one that runs on an event loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "veneer/vmm/base/event_loop.h"

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

// Calls back on the loop's thread.
class LoopTimer final : public DeadlineTimer {
 public:
  // `on_deadline` and what it uses must stay valid until the loop has stopped.
  LoopTimer(EventLoop& loop, EventLoop::Task on_deadline);
  void SetDeadline(std::optional<std::uint64_t> deadline_ns) override;

 private:
  struct State;
  EventLoop& loop_;
  // Shared with what is posted to the loop, which may outlive this object.
  std::shared_ptr<State> state_;
};

}  // namespace veneer
