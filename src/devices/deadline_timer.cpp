#include "veneer/devices/deadline_timer.h"

#include <mutex>
#include <utility>

namespace veneer {

struct LoopTimer::State {
  State(EventLoop& event_loop, EventLoop::Task task)
      : loop(event_loop), on_deadline(std::move(task)) {}

  EventLoop& loop;
  const EventLoop::Task on_deadline;

  std::mutex mutex;  // guards `wanted` and `posted`
  std::optional<std::uint64_t> wanted;
  bool posted = false;

  // On the loop's thread only.
  EventLoop::TimerId armed = 0;
};

LoopTimer::LoopTimer(EventLoop& loop, EventLoop::Task on_deadline)
    : loop_(loop), state_(std::make_shared<State>(loop, std::move(on_deadline))) {}

void LoopTimer::SetDeadline(std::optional<std::uint64_t> deadline_ns) {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->wanted = deadline_ns;
    if (std::exchange(state_->posted, true)) {
      return;  // a task is on its way and will see the new deadline
    }
  }
  loop_.Post([state = state_] {
    std::optional<std::uint64_t> wanted;
    {
      const std::scoped_lock lock(state->mutex);
      state->posted = false;
      wanted = state->wanted;
    }
    state->loop.CancelTimer(state->armed);
    if (wanted) {
      state->armed = state->loop.AddTimer(*wanted, [state] { state->on_deadline(); });
    }
  });
}

}  // namespace veneer
