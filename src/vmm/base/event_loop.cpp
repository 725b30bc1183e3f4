#include "veneer/base/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include "veneer/base/check.h"
#include "veneer/base/clock.h"

namespace veneer {

Result<std::unique_ptr<EventLoop>> EventLoop::Create() {
  std::unique_ptr<EventLoop> loop(new EventLoop());
  loop->epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  if (!loop->epoll_.valid()) {
    return ErrnoError(errno, "cannot make an epoll instance");
  }
  loop->wake_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!loop->wake_.valid()) {
    return ErrnoError(errno, "cannot make an eventfd");
  }
  EventLoop* self = loop.get();
  VENEER_TRY(loop->AddFd(loop->wake_.get(), EPOLLIN, [self](std::uint32_t) {
    std::uint64_t count = 0;
    // Nothing to do when it fails: it was woken, and that is all the count says.
    static_cast<void>(!read(self->wake_.get(), &count, sizeof count));
    self->RunPosted();
  }));
  return loop;
}

EventLoop::~EventLoop() = default;

void EventLoop::Post(Task task) {
  bool first = false;
  {
    const std::scoped_lock lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (first) {
    const std::uint64_t one = 1;
    static_cast<void>(!write(wake_.get(), &one, sizeof one));
  }
}

void EventLoop::Stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  const std::uint64_t one = 1;
  static_cast<void>(!write(wake_.get(), &one, sizeof one));
}

Result<void> EventLoop::AddFd(int fd, std::uint32_t events, FdHandler handler) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoError(errno, "cannot watch a file descriptor");
  }
  handlers_[fd] = std::make_shared<FdHandler>(std::move(handler));
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
    const std::scoped_lock lock(mutex_);
    tasks.swap(posted_);
  }
  for (Task& task : tasks) {
    task();
  }
}

void EventLoop::RunTimers() {
  const std::uint64_t now = HostClock().MonotonicNs();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    const auto it = timers_.begin();
    const Task task = std::move(it->second);
    timer_deadlines_.erase(it->first.second);
    timers_.erase(it);
    task();
  }
}

int EventLoop::TimeoutMs() const {
  if (timers_.empty()) {
    return -1;
  }
  const std::uint64_t now = HostClock().MonotonicNs();
  const std::uint64_t deadline = timers_.begin()->first.first;
  if (deadline <= now) {
    return 0;
  }
  constexpr std::uint64_t kNsPerMs = 1'000'000;
  const std::uint64_t ms = (deadline - now + kNsPerMs - 1) / kNsPerMs;
  return static_cast<int>(std::min<std::uint64_t>(ms, std::numeric_limits<int>::max()));
}

void EventLoop::Run() {
  std::array<epoll_event, 32> events{};
  for (;;) {
    const int count =
        epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), TimeoutMs());
    VENEER_CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      const auto it = handlers_.find(event.data.fd);
      // An earlier handler of this round may have removed it.
      if (it != handlers_.end()) {
        const std::shared_ptr<FdHandler> handler = it->second;
        (*handler)(event.events);
      }
    }
    RunTimers();
    const std::scoped_lock lock(mutex_);
    if (stopping_) {
      return;
    }
  }
}

}  // namespace veneer
