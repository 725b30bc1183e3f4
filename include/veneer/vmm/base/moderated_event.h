// An event that a guest may signal as fast as it likes: the loop hears of the first signal at once,
// and of all that follow within an interval together, at its end.
#pragma once

#include <cstdint>
#include <memory>

#include "veneer/vmm/base/event_fd.h"
#include "veneer/vmm/base/event_loop.h"

namespace veneer {

// A storm of signals wakes the loop once per interval, and a signal that wakes nobody is cheap for
// the signaller. Belongs to the loop's thread, but for the descriptor.
class ModeratedEvent {
 public:
  // `on_signal` and the loop outlive this object.
  static Result<std::unique_ptr<ModeratedEvent>> Create(EventLoop& loop, std::uint64_t interval_ns,
                                                        EventLoop::Task on_signal);
  ModeratedEvent(const ModeratedEvent&) = delete;
  ModeratedEvent& operator=(const ModeratedEvent&) = delete;
  ~ModeratedEvent();

  // The eventfd to be signalled, by any thread.
  int fd() const { return event_.get(); }

 private:
  ModeratedEvent(EventLoop& loop, std::uint64_t interval_ns, EventLoop::Task on_signal);
  Result<void> Listen();
  void OnReady();

  EventLoop& loop_;
  const std::uint64_t interval_ns_;
  const EventLoop::Task on_signal_;
  EventFd event_;
  bool listening_ = false;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace veneer
