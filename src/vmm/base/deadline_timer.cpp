#include "veneer/vmm/base/deadline_timer.h"

#include <limits>
#include <utility>

#include "veneer/vmm/base/mutex.h"

namespace veneer {

struct LoopTimer::State : std::enable_shared_from_this<State> {
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  State(EventLoop& event_loop, EventLoop::Task task)
      : loop(event_loop), on_deadline(std::move(task)) {}

  // On the loop's thread: makes its timer fit the wanted deadline.
  void Arrange() {
    const MutexLock lock(mutex);
    posted = false;
    if (scheduled <= wanted) {
      return;  // fires early and is arranged again then: cheaper than a post for each change
    }
    loop.CancelTimer(timer);
    scheduled = wanted;
    timer = loop.AddTimer(scheduled, [self = shared_from_this()] { self->Fire(); });
  }

  void Fire() {
    {
      const MutexLock lock(mutex);
      const std::uint64_t fired = std::exchange(scheduled, kNever);
      if (wanted > fired) {
        if (wanted != kNever) {
          scheduled = wanted;
          timer = loop.AddTimer(scheduled, [self = shared_from_this()] { self->Fire(); });
        }
        return;
      }
      wanted = kNever;
    }
    on_deadline();
  }

  EventLoop& loop;
  const EventLoop::Task on_deadline;
  Mutex mutex;
  std::uint64_t wanted GUARDED_BY(mutex) = kNever;
  std::uint64_t scheduled GUARDED_BY(mutex) = kNever;  // what the loop's timer stands at
  EventLoop::TimerId timer GUARDED_BY(mutex) = 0;
  bool posted GUARDED_BY(mutex) = false;  // an Arrange() is on its way to the loop
};

LoopTimer::LoopTimer(EventLoop& loop, EventLoop::Task on_deadline)
    : loop_(loop), state_(std::make_shared<State>(loop, std::move(on_deadline))) {}

void LoopTimer::SetDeadline(std::optional<std::uint64_t> deadline_ns) {
  {
    const MutexLock lock(state_->mutex);
    state_->wanted = deadline_ns.value_or(State::kNever);
    if (state_->scheduled <= state_->wanted || state_->posted) {
      return;
    }
    state_->posted = true;
  }
  loop_.Post([state = state_] { state->Arrange(); });
}

}  // namespace veneer
