// One thread's epoll loop: file descriptors, timers and posted work.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "veneer/vmm/base/event_fd.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

class EventLoop {
 public:
  using Task = std::function<void()>;
  // Called on the loop's thread with the EPOLL* bits that are ready.
  using FdHandler = std::function<void(std::uint32_t events)>;
  using TimerId = std::uint64_t;

  static Result<std::unique_ptr<EventLoop>> Create();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  ~EventLoop();

  // Any thread. Runs `task` on the loop's thread, in order of posting. Tasks that are still waiting
  // when the loop is destroyed are destroyed without being run.
  void Post(Task task);
  // Any thread. Run() returns after the handlers under way.
  void Stop();

  // The rest: on the loop's thread, or before Run().

  // Level-triggered. `fd` stays the caller's and must be removed before it is closed.
  Result<void> AddFd(int fd, std::uint32_t events, FdHandler handler);
  void RemoveFd(int fd);

  // Runs `task` once, at or soon after `deadline_ns` (CLOCK_MONOTONIC, ns).
  TimerId AddTimer(std::uint64_t deadline_ns, Task task);
  // No effect on a timer that has fired.
  void CancelTimer(TimerId id);

  // Serves until Stop().
  void Run();

 private:
  EventLoop() = default;
  void RunPosted();
  void RunTimers();
  // Sets the timer file to the earliest deadline.
  void ArmTimer();

  UniqueFd epoll_;
  EventFd wake_;
  UniqueFd timer_;
  std::uint64_t armed_ns_ = 0;  // what timer_ is set to; 0: nothing
  // A descriptor's number may have come to another file while events of the one before are still to
  // be told: each file that is watched has a number of its own.
  struct Watched {
    std::uint32_t generation = 0;
    std::shared_ptr<FdHandler> handler;
  };
  std::map<int, Watched> handlers_;
  std::uint32_t generation_ = 0;
  std::map<std::pair<std::uint64_t, TimerId>, Task> timers_;
  std::map<TimerId, std::uint64_t> timer_deadlines_;
  TimerId next_timer_ = 1;

  Mutex mutex_;
  std::vector<Task> posted_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace veneer
