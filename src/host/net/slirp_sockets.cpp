#include "slirp_sockets.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include <slirp/libslirp.h>

#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

constexpr std::array<std::pair<int, std::uint32_t>, 5> kEvents{{{SLIRP_POLL_IN, EPOLLIN},
                                                                {SLIRP_POLL_OUT, EPOLLOUT},
                                                                {SLIRP_POLL_PRI, EPOLLPRI},
                                                                {SLIRP_POLL_ERR, EPOLLERR},
                                                                {SLIRP_POLL_HUP, EPOLLHUP}}};

std::uint32_t ToEpoll(int events) {
  std::uint32_t result = 0;
  for (const auto& [slirp, epoll] : kEvents) {
    result |= (events & slirp) != 0 ? epoll : 0;
  }
  return result;
}

int FromEpoll(std::uint32_t events) {
  int result = 0;
  for (const auto& [slirp, epoll] : kEvents) {
    result |= (events & epoll) != 0 ? slirp : 0;
  }
  return result;
}

bool IsListening(int socket) {
  int listening = 0;
  socklen_t size = sizeof listening;
  return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

}  // namespace

Result<SlirpSockets> SlirpSockets::Create() {
  SlirpSockets sockets;
  sockets.epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  sockets.timer_.Reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = sockets.timer_.get();
  if (!sockets.epoll_.valid() || !sockets.timer_.valid() ||
      epoll_ctl(sockets.epoll_.get(), EPOLL_CTL_ADD, sockets.timer_.get(), &event) != 0) {
    return ErrnoError(errno, "cannot watch a user-mode network's sockets");
  }
  return sockets;
}

void SlirpSockets::Begin(bool accepting) {
  ++round_;
  accepting_ = accepting;
  wanted_.clear();
}

int SlirpSockets::Want(int socket, int events) {
  const auto [it, added] = known_.try_emplace(socket);
  Known& known = it->second;
  if (added) {
    known.listening = IsListening(socket);
  }
  const std::uint32_t wanted = known.listening && !accepting_ ? 0 : ToEpoll(events);
  if (added || known.events != wanted) {
    Watch(added ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, wanted);
  }
  known = {wanted, round_, wanted_.size(), known.listening};
  wanted_.push_back({socket, 0});
  return static_cast<int>(known.index);
}

void SlirpSockets::End() {
  if (known_.size() == wanted_.size()) {
    return;
  }
  std::erase_if(known_, [this](const auto& entry) {
    const bool old = entry.second.round != round_;
    if (old) {
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, entry.first, nullptr);
    }
    return old;
  });
}

void SlirpSockets::Watch(int operation, int socket, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = socket;
  if (epoll_ctl(epoll_.get(), operation, socket, &event) == 0) {
    return;
  }
  // Another socket may have got the number of one that has been closed.
  const int other = operation == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  static_cast<void>(epoll_ctl(epoll_.get(), other, socket, &event));
}

void SlirpSockets::Forget(int socket) {
  if (known_.erase(socket) > 0) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);
  }
}

void SlirpSockets::SetDeadline(std::optional<std::uint64_t> deadline_ns) {
  // Being woken once too early costs less than a system call for each change.
  if (!deadline_ns || (armed_ns_ != 0 && armed_ns_ <= *deadline_ns)) {
    return;
  }
  armed_ns_ = std::max<std::uint64_t>(*deadline_ns, 1);  // 0 would disarm it
  constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
  itimerspec setting{};
  setting.it_value.tv_sec = static_cast<std::time_t>(armed_ns_ / kNsPerSecond);
  setting.it_value.tv_nsec = static_cast<long>(armed_ns_ % kNsPerSecond);
  VENEER_CHECK(timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &setting, nullptr) == 0);
}

bool SlirpSockets::Look() {
  std::array<epoll_event, 64> events;
  const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  for (Wanted& wanted : wanted_) {
    wanted.ready = 0;
  }
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.fd == timer_.get()) {
      std::uint64_t expirations = 0;
      static_cast<void>(!read(timer_.get(), &expirations, sizeof expirations));
      armed_ns_ = 0;
      continue;
    }
    const auto it = known_.find(event.data.fd);
    if (it != known_.end() && it->second.round == round_) {
      wanted_[it->second.index].ready = FromEpoll(event.events);
    }
  }
  return count > 0;
}

int SlirpSockets::Ready(int index) const {
  const auto at = static_cast<std::size_t>(index);
  return index >= 0 && at < wanted_.size() ? wanted_[at].ready : 0;
}

}  // namespace veneer
