#include "veneer/backends/bus/polled_queue.h"

namespace veneer {

QueueCounters::QueueCounters(const std::function<Counter&(std::string_view name)>& counter)
    : kicks(counter("kicks")),
      throttled(counter("throttled")),
      polls_hit(counter("polls_hit")),
      sleeps(counter("sleeps")) {}

PolledQueue::~PolledQueue() {
  *alive_ = false;
  if (limit_timer_) {
    loop_.CancelTimer(*limit_timer_);
  }
}

void PolledQueue::ServeLater() {
  loop_.Post([this, alive = alive_] {
    if (*alive) {
      Serve();
    }
  });
}

void PolledQueue::WaitForLimit(std::uint64_t delay_ns, std::uint64_t now_ns) {
  if (limit_timer_) {
    return;
  }
  counters_.throttled.Add();
  limit_timer_ = loop_.AddTimer(now_ns + delay_ns, [this] {
    limit_timer_.reset();
    Serve();
  });
}

}  // namespace veneer
