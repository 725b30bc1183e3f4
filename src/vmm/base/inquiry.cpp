#include "veneer/vmm/base/inquiry.h"

#include <utility>

#include <fmt/core.h>

#include "veneer/vmm/base/clock.h"

namespace veneer {

std::shared_ptr<Inquiry> Inquiry::Begin(EventLoop& loop, Done done) {
  return std::shared_ptr<Inquiry>(new Inquiry(loop, std::move(done)));
}

Inquiry::Answer Inquiry::Ask(std::string whom) {
  const MutexLock lock(mutex_);
  entries_.push_back({.whom = std::move(whom), .line = {}});
  ++unanswered_;
  return [self = shared_from_this(), index = entries_.size() - 1](std::string line) {
    self->Take(index, std::move(line));
  };
}

void Inquiry::Add(std::vector<std::string> lines) {
  const MutexLock lock(mutex_);
  for (std::string& line : lines) {
    entries_.push_back({.whom = {}, .line = std::move(line), .answered = true});
  }
}

void Inquiry::End(std::uint64_t limit_ns) {
  bool complete = false;
  {
    const MutexLock lock(mutex_);
    ended_ = true;
    complete = unanswered_ == 0;
  }
  if (complete) {
    Finish();
    return;
  }
  timer_ = loop_.AddTimer(HostClock().MonotonicNs() + limit_ns, [self = shared_from_this()] {
    self->timer_ = 0;
    self->Finish();
  });
}

void Inquiry::Take(std::size_t index, std::string line) {
  const MutexLock lock(mutex_);
  Entry& entry = entries_[index];
  if (std::exchange(entry.answered, true)) {
    return;
  }
  entry.line = std::move(line);
  if (--unanswered_ == 0 && ended_) {
    loop_.Post([self = shared_from_this()] { self->Finish(); });
  }
}

void Inquiry::Finish() {
  if (timer_ != 0) {
    loop_.CancelTimer(std::exchange(timer_, 0));
  }
  const Done done = std::exchange(done_, nullptr);
  if (!done) {
    return;
  }
  std::vector<std::string> lines;
  {
    const MutexLock lock(mutex_);
    for (const Entry& entry : entries_) {
      lines.push_back(entry.answered ? entry.line : fmt::format("{}: does not answer", entry.whom));
    }
  }
  done(std::move(lines));
}

}  // namespace veneer
