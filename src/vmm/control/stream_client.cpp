#include "stream_client.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

constexpr std::size_t kPieceBytes = 16384;
// Then the loop's other work has its turn.
constexpr int kPiecesAtOnce = 8;
constexpr std::size_t kInputBytes = 1024;

}  // namespace

StreamClient::StreamClient(Plan plan, UniqueFd fd, std::string input, std::uint64_t stall_ns,
                           std::function<void(int)> gone)
    : source_(*plan.source),
      fd_(std::move(fd)),
      number_(fd_.get()),
      stall_ns_(stall_ns),
      gone_(std::move(gone)),
      position_(source_.Oldest()),
      pending_(std::move(plan.greeting)),
      writes_(plan.writes) {
  if (writes_) {
    source_.SetWriter(true);
    for (const char byte : input) {
      input_.push_back(static_cast<std::byte>(byte));
    }
  }
}

StreamClient::~StreamClient() {
  Detach();
  StopWriting();
}

void StreamClient::Attach(EventLoop& loop) {
  loop_ = &loop;
  Serve();
}

void StreamClient::Detach() {
  if (loop_ == nullptr) {
    return;
  }
  if (std::exchange(listening_, 0) != 0) {
    loop_->RemoveFd(number_);
  }
  if (stall_timer_ != 0) {
    loop_->CancelTimer(std::exchange(stall_timer_, 0));
  }
  loop_ = nullptr;
}

void StreamClient::Serve() {
  if (loop_ == nullptr) {
    return;
  }
  HandOnInput();
  if (Flow()) {
    Listen();
    WatchStall();
  } else {
    Drop();
  }
}

void StreamClient::OnReady(std::uint32_t events) {
  const auto self = shared_from_this();
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
    TakeTheRest();
    Drop();
    return;
  }
  if ((events & EPOLLIN) != 0 && !TakeInput()) {
    Drop();
    return;
  }
  Serve();
}

bool StreamClient::TakeInput() {
  std::array<std::byte, kInputBytes> buffer;
  const ssize_t count = recv(number_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0) {
    return errno == EAGAIN || errno == EINTR;
  }
  input_ended_ = count == 0;
  input_.insert(input_.end(), buffer.begin(), buffer.begin() + count);
  return true;
}

void StreamClient::TakeTheRest() {
  if (!writes_) {
    return;
  }
  HandOnInput();
  // What the guest has no room for now is lost: nobody is left who would wait.
  for (int i = 0; i < kPiecesAtOnce && !input_ended_ && TakeInput(); ++i) {
    HandOnInput();
  }
}

void StreamClient::HandOnInput() {
  if (!input_.empty()) {
    const std::size_t taken = source_.Input(input_);
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(taken));
  }
  if (input_.empty() && input_ended_) {
    StopWriting();
  }
}

void StreamClient::StopWriting() {
  if (std::exchange(writes_, false)) {
    source_.SetWriter(false);
  }
}

bool StreamClient::Flow() {
  for (int i = 0; i < kPiecesAtOnce; ++i) {
    if (sent_ == pending_.size()) {
      pending_ = source_.Next(position_, kPieceBytes);
      sent_ = 0;
    }
    behind_ = !pending_.empty();
    if (!behind_) {
      return true;
    }
    if (!SendPending()) {
      return false;
    }
    if (sent_ < pending_.size()) {
      return true;
    }
  }
  return true;
}

bool StreamClient::SendPending() {
  while (sent_ < pending_.size()) {
    const ssize_t count = send(number_, pending_.data() + sent_, pending_.size() - sent_,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return errno == EAGAIN;
    }
    sent_ += static_cast<std::size_t>(count);
    moved_ = true;
  }
  return true;
}

void StreamClient::Listen() {
  // Its end is told in any case.
  std::uint32_t events = EPOLLHUP;
  if (behind_) {
    events |= EPOLLOUT;
  }
  if (writes_ && !input_ended_ && input_.empty()) {
    events |= EPOLLIN;
  }
  if (events == listening_) {
    return;
  }
  if (std::exchange(listening_, 0) != 0) {
    loop_->RemoveFd(number_);
  }
  if (loop_->AddFd(number_, events, [this](std::uint32_t ready) { OnReady(ready); })) {
    listening_ = events;
  } else {
    Drop();
  }
}

void StreamClient::WatchStall() {
  if (loop_ == nullptr || stall_timer_ != 0 || !behind_) {
    return;
  }
  moved_ = false;
  stall_timer_ = loop_->AddTimer(HostClock().MonotonicNs() + stall_ns_, [this] {
    stall_timer_ = 0;
    if (behind_ && !moved_) {
      Drop();
    } else {
      WatchStall();
    }
  });
}

void StreamClient::Drop() {
  // The owner forgets this object, which is still in use here.
  const auto self = shared_from_this();
  Detach();
  StopWriting();
  gone_(number_);
}

}  // namespace veneer
