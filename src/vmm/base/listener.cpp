#include "veneer/vmm/base/listener.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

constexpr std::uint64_t kRestNs = 100'000'000;

}  // namespace

Listener::Listener(EventLoop& loop, int fd, std::string what, OnClient on_client)
    : loop_(loop), fd_(fd), what_(std::move(what)), on_client_(std::move(on_client)) {}

Listener::~Listener() {
  loop_.RemoveFd(fd_);
  loop_.CancelTimer(timer_);
}

Result<void> Listener::Start() {
  return loop_.AddFd(fd_, EPOLLIN, [this](std::uint32_t) { Accept(); });
}

void Listener::Accept() {
  UniqueFd client(accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (client.valid()) {
    on_client_(std::move(client));
    return;
  }
  const int error = errno;
  if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
    Rest(error);
  }
}

// The client stays in the queue, and the socket ready: watched on, it would take a CPU.
void Listener::Rest(int error) {
  LogGuest(limiter_, "{}: no room for a client now: {}", what_, std::strerror(error));
  loop_.RemoveFd(fd_);
  timer_ = loop_.AddTimer(HostClock().MonotonicNs() + kRestNs, [this] {
    timer_ = 0;
    if (const Result<void> started = Start(); !started) {
      Rest(ENOMEM);
    }
  });
}

}  // namespace veneer
