// How a queue's thread looks for work in its rings: turn by turn, a while longer before it sleeps,
// and again when a rate limit lets it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "veneer/backends/bus/queue_workers.h"
#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/poll_window.h"

namespace veneer {

// What the queues of any device count.
struct QueueCounters {
  // `counter`: the device's counter of that name.
  explicit QueueCounters(const std::function<Counter&(std::string_view name)>& counter);

  Counter& kicks;      // wake-ups by the guest
  Counter& throttled;  // times a queue waited for a rate limit
  Counter& polls_hit;  // polling found work
  Counter& sleeps;
};

// Belongs to its worker's thread.
class PolledQueue : public QueueServer {
 public:
  PolledQueue(const PolledQueue&) = delete;
  PolledQueue& operator=(const PolledQueue&) = delete;
  ~PolledQueue() override;

  void OnKick() final {
    counters_.kicks.Add();
    Serve();
  }

 protected:
  enum class Look {
    kWorked,
    kNothing,
    kOver,  // the queue serves no more
  };

  // `longest_poll_us`: how long, at most, to look for more work. `counters` and `loop` outlive this
  // object.
  PolledQueue(EventLoop& loop, std::uint64_t longest_poll_us, QueueCounters& counters)
      : loop_(loop), counters_(counters), poll_(longest_poll_us * 1000) {}

  EventLoop& loop() { return loop_; }

  // Serve()'s work. `look` does a bounded part of what there is to do; `ready_to_sleep` asks to be
  // told of new work and returns false if some has come meanwhile. Both get the time. They are
  // template parameters because virtual calls would show: they are called very often.
  template <class LookForWork, class ReadyToSleep>
  void ServeInTurns(LookForWork look, ReadyToSleep ready_to_sleep);

  // Serves again when a rate limit's delay has passed.
  void WaitForLimit(std::uint64_t delay_ns, std::uint64_t now_ns);
  bool WaitsForLimit() const { return limit_timer_.has_value(); }

 private:
  // How long Serve() keeps the thread's other work waiting.
  static constexpr std::uint64_t kTurnNs = 1'000'000;

  // After the thread's other work.
  void ServeLater();

  EventLoop& loop_;
  QueueCounters& counters_;
  PollWindow poll_;
  std::optional<EventLoop::TimerId> limit_timer_;
  // Told to tasks that outlive this object.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

template <class LookForWork, class ReadyToSleep>
void PolledQueue::ServeInTurns(LookForWork look, ReadyToSleep ready_to_sleep) {
  const Clock& clock = HostClock();
  const std::uint64_t turn_start = clock.MonotonicNs();
  std::uint64_t idle_since = turn_start;
  std::uint64_t now = turn_start;
  bool polled = false;
  for (;;) {
    const Look found = look(now);
    if (found == Look::kOver) {
      return;
    }
    now = clock.MonotonicNs();
    if (found == Look::kWorked) {
      poll_.OnWork(now);
      if (std::exchange(polled, false)) {
        counters_.polls_hit.Add();
      }
      idle_since = now;
      if (now - turn_start < kTurnNs) {
        continue;
      }
      ServeLater();
      return;
    }
    if (poll_.Open(idle_since, now)) {
      polled = true;
      __builtin_ia32_pause();
      continue;
    }
    if (ready_to_sleep(now)) {
      poll_.OnSleep(idle_since);
      counters_.sleeps.Add();
      return;
    }
  }
}

}  // namespace veneer
