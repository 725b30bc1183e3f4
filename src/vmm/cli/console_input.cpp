#include "console_input.h"

#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace veneer {
namespace {

// Another reader of the same pipe may have taken what was there: not to be waited for.
ssize_t ReadReady(int fd, std::span<std::byte> buffer) {
  const iovec room{buffer.data(), buffer.size()};
  const ssize_t got = preadv2(fd, &room, 1, -1, RWF_NOWAIT);
  // Terminals, and pipes of older kernels, do not know the flag.
  return got < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)
             ? read(fd, buffer.data(), buffer.size())
             : got;
}

}  // namespace

ConsoleInput::ConsoleInput(EventLoop& loop, int fd, Sink sink, Filter filter,
                           std::function<void()> on_end)
    : loop_(loop),
      fd_(fd),
      sink_(std::move(sink)),
      filter_(std::move(filter)),
      on_end_(std::move(on_end)) {}

ConsoleInput::~ConsoleInput() { Watch(false); }

void ConsoleInput::Start() {
  Watch(true);
  if (!pollable_) {
    ReadLater();
  }
}

void ConsoleInput::Watch(bool watch) {
  if (watch == watched_ || !pollable_) {
    return;
  }
  if (!watch) {
    loop_.RemoveFd(fd_);
    watched_ = false;
    return;
  }
  watched_ = loop_.AddFd(fd_, EPOLLIN, [this](std::uint32_t) { ReadSome(); }).has_value();
  pollable_ = watched_;
}

void ConsoleInput::ReadLater() {
  loop_.Post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) {
      ReadSome();
    }
  });
}

void ConsoleInput::ReadSome() {
  std::array<std::byte, 1024> buffer;
  const ssize_t got = pollable_ ? ReadReady(fd_, buffer) : read(fd_, buffer.data(), buffer.size());
  if (got > 0) {
    waiting_ = filter_(std::span(buffer).first(static_cast<std::size_t>(got)));
    OnRoom();
    return;
  }
  const bool again = got < 0 && (errno == EINTR || (errno == EAGAIN && pollable_));
  if (!again) {
    // The end of input is not the end of the guest. What can neither be read now nor be waited for
    // has ended, too: asking again and again would take a CPU.
    ended_ = true;
    Watch(false);
    if (on_end_) {
      on_end_();
    }
  } else if (!pollable_) {
    ReadLater();
  }
}

void ConsoleInput::OnRoom() {
  if (!waiting_.empty()) {
    const std::size_t taken = sink_(waiting_);
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(taken));
  }
  if (!waiting_.empty()) {
    Watch(false);
  } else if (!ended_ && !watched_) {
    if (pollable_) {
      Watch(true);
    } else {
      ReadLater();
    }
  }
}

}  // namespace veneer
