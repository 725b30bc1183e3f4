#include "veneer/vmm/base/moderated_event.h"

#include <sys/epoll.h>

#include <utility>

#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/log.h"

namespace veneer {

Result<std::unique_ptr<ModeratedEvent>> ModeratedEvent::Create(EventLoop& loop,
                                                               std::uint64_t interval_ns,
                                                               EventLoop::Task on_signal) {
  std::unique_ptr<ModeratedEvent> event(
      new ModeratedEvent(loop, interval_ns, std::move(on_signal)));
  VENEER_TRY_ASSIGN(event->event_, EventFd::Create());
  VENEER_TRY(event->Listen());
  return event;
}

ModeratedEvent::ModeratedEvent(EventLoop& loop, std::uint64_t interval_ns,
                               EventLoop::Task on_signal)
    : loop_(loop), interval_ns_(interval_ns), on_signal_(std::move(on_signal)) {}

ModeratedEvent::~ModeratedEvent() {
  if (listening_) {
    loop_.RemoveFd(event_.get());
  }
  loop_.CancelTimer(timer_);
}

Result<void> ModeratedEvent::Listen() {
  VENEER_TRY(loop_.AddFd(event_.get(), EPOLLIN, [this](std::uint32_t) { OnReady(); }));
  listening_ = true;
  return {};
}

void ModeratedEvent::OnReady() {
  // Not even watched during the interval: what nobody watches is cheap to signal.
  loop_.RemoveFd(event_.get());
  listening_ = false;
  timer_ = loop_.AddTimer(HostClock().MonotonicNs() + interval_ns_, [this] {
    // Signals of the meantime are still in the counter, and heard of at once.
    if (const Result<void> again = Listen(); !again) {
      LogError("an event is not heard of any more: {}", again.error().message);
    }
  });
  event_.Drain();
  on_signal_();
}

}  // namespace veneer
