#include "control_connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "veneer/vmm/base/clock.h"

namespace veneer {

ControlConnection::ControlConnection(GuestControl& guest, Streams* streams, EventLoop& loop,
                                     UniqueFd fd, std::uint64_t stall_ns,
                                     std::function<void(int)> gone)
    : guest_(guest),
      streams_(streams),
      loop_(loop),
      fd_(std::move(fd)),
      number_(fd_.get()),
      stall_ns_(stall_ns),
      gone_(std::move(gone)) {}

ControlConnection::~ControlConnection() { Close(); }

Result<void> ControlConnection::Open() {
  listening_ = EPOLLIN;
  return loop_.AddFd(fd_.get(), listening_, [this](std::uint32_t events) { Serve(events); });
}

UniqueFd ControlConnection::Close() {
  if (fd_.valid()) {
    loop_.RemoveFd(fd_.get());
  }
  if (stall_timer_ != 0) {
    loop_.CancelTimer(std::exchange(stall_timer_, 0));
  }
  UniqueFd fd = std::move(fd_);
  return stopped_ ? std::move(fd) : UniqueFd();
}

void ControlConnection::Drop() {
  // The owner forgets this object, which is still in use here.
  const auto self = shared_from_this();
  static_cast<void>(Close());
  gone_(number_);
}

void ControlConnection::Serve(std::uint32_t events) {
  if ((events & EPOLLIN) != 0 && !Receive()) {
    ended_ = true;
  }
  serving_ = true;
  const bool alive = Send() && Work();
  serving_ = false;
  const bool idle = !busy_ && output_.empty();
  if (!alive || (events & (EPOLLHUP | EPOLLERR)) != 0 || (ended_ && idle) || !Listen()) {
    Drop();
  }
}

bool ControlConnection::Receive() {
  std::array<char, kMaxRequest> buffer;
  const std::size_t room = kMaxRequest + 1 - input_.size();
  const ssize_t count = recv(fd_.get(), buffer.data(), std::min(room, buffer.size()), 0);
  if (count < 0) {
    return errno == EAGAIN || errno == EINTR;
  }
  input_.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

bool ControlConnection::Send() {
  const std::size_t before = output_.size();
  while (!output_.empty()) {
    const ssize_t count = send(fd_.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      if (errno != EAGAIN) {
        return false;
      }
      break;
    }
    output_.erase(0, static_cast<std::size_t>(count));
  }
  // Time counts from the last piece that the client took.
  if (stall_timer_ != 0 && output_.size() != before) {
    loop_.CancelTimer(std::exchange(stall_timer_, 0));
  }
  if (stall_timer_ == 0 && !output_.empty()) {
    ArmStallTimer();
  }
  return true;
}

void ControlConnection::ArmStallTimer() {
  stall_timer_ = loop_.AddTimer(HostClock().MonotonicNs() + stall_ns_, [this] {
    stall_timer_ = 0;
    Drop();
  });
}

bool ControlConnection::Work() {
  while (!busy_ && output_.empty()) {
    const std::size_t end = input_.find('\n');
    if (end == std::string::npos) {
      if (input_.size() > kMaxRequest) {
        Reply(ErrorReply(fmt::format("a request has at most {} bytes", kMaxRequest)));
        input_.clear();
        ended_ = true;
        return Send();
      }
      return true;
    }
    const std::string line = input_.substr(0, end);
    input_.erase(0, end + 1);
    HandleLine(line);
    if (!fd_.valid() || !Send()) {
      return false;
    }
  }
  return true;
}

void ControlConnection::HandleLine(std::string_view line) {
  const Result<ControlRequest> request = ParseRequest(line);
  if (!request) {
    Reply(ErrorReply(request.error().message));
    return;
  }
  if (request->command->stream != ControlStream::kNone) {
    BecomeStream(*request);
    return;
  }
  stopped_ = stopped_ || request->command->ends_guest;
  busy_ = true;
  request->command->run(guest_, request->argument, Answer());
}

void ControlConnection::BecomeStream(const ControlRequest& request) {
  if (streams_ == nullptr) {
    Reply(ErrorReply("this guest has no streams"));
    return;
  }
  const auto plan = streams_->Ask(request.command->stream, request.argument.text);
  if (!plan) {
    Reply(ErrorReply(plan.error().message));
    return;
  }
  loop_.RemoveFd(number_);
  streams_->Take(*plan, std::move(fd_), std::move(input_));
}

ControlCommand::Answer ControlConnection::Answer() {
  return [weak = weak_from_this()](const Result<std::string>& reply) {
    const auto self = weak.lock();
    if (self == nullptr || !self->fd_.valid()) {
      return;
    }
    self->busy_ = false;
    self->Reply(reply ? *reply : ErrorReply(reply.error().message));
    if (!self->serving_) {
      self->Serve(0);
    }
  };
}

void ControlConnection::Reply(std::string line) {
  output_ = std::move(line);
  output_ += '\n';
}

bool ControlConnection::Listen() {
  std::uint32_t events = 0;
  if (!output_.empty()) {
    events = EPOLLOUT;
  } else if (!busy_) {
    events = EPOLLIN;
  }
  if (events == listening_) {
    return true;
  }
  loop_.RemoveFd(fd_.get());
  listening_ = events;
  return loop_.AddFd(fd_.get(), events, [this](std::uint32_t ready) { Serve(ready); }).has_value();
}

}  // namespace veneer
