#include "console_input.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace veneer {

ConsoleInput::ConsoleInput(EventLoop& loop, int fd, Sink sink, Filter filter)
    : loop_(loop), fd_(fd), sink_(std::move(sink)), filter_(std::move(filter)) {}

ConsoleInput::~ConsoleInput() { Watch(false); }

void ConsoleInput::Start() {
  Watch(true);
  // Plain files cannot be polled; they are always ready.
  while (!pollable_ && waiting_.empty() && !ended_) {
    ReadSome();
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

void ConsoleInput::ReadSome() {
  std::array<std::byte, 1024> buffer;
  const ssize_t got = read(fd_, buffer.data(), buffer.size());
  if (got <= 0) {
    if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
      // The end of input is not the end of the guest.
      ended_ = true;
      Watch(false);
    }
    return;
  }
  waiting_ = filter_(std::span(buffer).first(static_cast<std::size_t>(got)));
  OnRoom();
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
      loop_.Post([this] { ReadSome(); });
    }
  }
}

}  // namespace veneer
