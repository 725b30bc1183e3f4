#include "veneer/vmm/base/event_loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/clock.h"

namespace veneer {

Result<std::unique_ptr<EventLoop>> EventLoop::Create() {
  std::unique_ptr<EventLoop> loop(new EventLoop());
  loop->epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  if (!loop->epoll_.valid()) {
    return ErrnoError(errno, "cannot make an epoll instance");
  }
  VENEER_TRY_ASSIGN(loop->wake_, EventFd::Create());
  loop->timer_.Reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!loop->timer_.valid()) {
    return ErrnoError(errno, "cannot make a timer");
  }
  EventLoop* self = loop.get();
  VENEER_TRY(loop->AddFd(loop->timer_.get(), EPOLLIN, [self](std::uint32_t) {
    std::uint64_t expirations = 0;
    static_cast<void>(!read(self->timer_.get(), &expirations, sizeof expirations));
    self->armed_ns_ = 0;
  }));
  VENEER_TRY(loop->AddFd(loop->wake_.get(), EPOLLIN, [self](std::uint32_t) {
    self->wake_.Drain();
    self->RunPosted();
  }));
  return loop;
}

EventLoop::~EventLoop() = default;

void EventLoop::Post(Task task) {
  bool first = false;
  {
    const MutexLock lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (first) {
    wake_.Signal();
  }
}

void EventLoop::Stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.Signal();
}

Result<void> EventLoop::AddFd(int fd, std::uint32_t events, FdHandler handler) {
  epoll_event event{};
  event.events = events;
  const std::uint32_t generation = ++generation_;
  event.data.u64 = std::uint64_t{generation} << 32U | static_cast<std::uint32_t>(fd);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoError(errno, "cannot watch a file descriptor");
  }
  handlers_[fd] = {generation, std::make_shared<FdHandler>(std::move(handler))};
  return {};
}

void EventLoop::RemoveFd(int fd) {
  if (handlers_.erase(fd) > 0) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  }
}

EventLoop::TimerId EventLoop::AddTimer(std::uint64_t deadline_ns, Task task) {
  const TimerId id = next_timer_++;
  timers_.emplace(std::pair(deadline_ns, id), std::move(task));
  timer_deadlines_.emplace(id, deadline_ns);
  return id;
}

void EventLoop::CancelTimer(TimerId id) {
  const auto it = timer_deadlines_.find(id);
  if (it != timer_deadlines_.end()) {
    timers_.erase(std::pair(it->second, id));
    timer_deadlines_.erase(it);
  }
}

void EventLoop::RunPosted() {
  std::vector<Task> tasks;
  {
    const MutexLock lock(mutex_);
    tasks.swap(posted_);
  }
  for (Task& task : tasks) {
    task();
  }
}

void EventLoop::RunTimers() {
  const std::uint64_t now = HostClock().MonotonicNs();
  // Timers that the tasks add wait for the next round, however early they are, so that a task which
  // sets itself anew cannot keep the loop from its other work.
  const TimerId first_new = next_timer_;
  auto it = timers_.begin();
  while (it != timers_.end() && it->first.first <= now) {
    if (it->first.second >= first_new) {
      ++it;
      continue;
    }
    const Task task = std::move(it->second);
    timer_deadlines_.erase(it->first.second);
    timers_.erase(it);
    task();
    it = timers_.begin();  // the task may have changed them
  }
}

void EventLoop::ArmTimer() {
  // 0 would disarm the timer file; 1 is just as long ago.
  const std::uint64_t deadline =
      timers_.empty() ? 0 : std::max<std::uint64_t>(timers_.begin()->first.first, 1);
  if (deadline == armed_ns_) {
    return;
  }
  armed_ns_ = deadline;
  constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
  itimerspec setting{};
  setting.it_value.tv_sec = static_cast<std::time_t>(deadline / kNsPerSecond);
  setting.it_value.tv_nsec = static_cast<long>(deadline % kNsPerSecond);
  VENEER_CHECK(timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &setting, nullptr) == 0);
}

void EventLoop::Run() {
  std::array<epoll_event, 32> events{};
  for (;;) {
    ArmTimer();
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    VENEER_CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      const auto it = handlers_.find(static_cast<int>(event.data.u64 & ~std::uint32_t{0}));
      // An earlier handler of this round may have removed it, and added another of the same number.
      if (it != handlers_.end() && it->second.generation == event.data.u64 >> 32U) {
        const std::shared_ptr<FdHandler> handler = it->second.handler;
        (*handler)(event.events);
      }
    }
    RunTimers();
    const MutexLock lock(mutex_);
    if (stopping_) {
      return;
    }
  }
}

}  // namespace veneer
