#include "veneer/xencompat/domain/deadlines.h"

#include <utility>

#include "veneer/vmm/base/check.h"

namespace veneer {

Deadlines::Id Deadlines::Add(Handler handler) {
  const MutexLock lock(mutex_);
  handlers_.push_back(std::move(handler));
  deadlines_.emplace_back();
  return handlers_.size() - 1;
}

void Deadlines::Set(Id id, std::optional<std::uint64_t> deadline_ns) {
  if (deadline_ns && *deadline_ns <= clock_.MonotonicNs()) {
    Arm(id, std::nullopt);
    handlers_[id]();
    return;
  }
  Arm(id, deadline_ns);
}

void Deadlines::Arm(Id id, std::optional<std::uint64_t> deadline_ns) {
  VENEER_CHECK(id < handlers_.size() && wakeup_ != nullptr);
  const MutexLock lock(mutex_);
  deadlines_[id] = deadline_ns;
  Rearm();
}

void Deadlines::Rearm() {
  std::optional<std::uint64_t> earliest;
  for (const std::optional<std::uint64_t>& deadline : deadlines_) {
    if (deadline && (!earliest || *deadline < *earliest)) {
      earliest = deadline;
    }
  }
  if (earliest != armed_) {
    armed_ = earliest;
    wakeup_->SetDeadline(earliest);
  }
}

void Deadlines::OnWakeup() {
  std::vector<Id> due;
  {
    const MutexLock lock(mutex_);
    const std::uint64_t now = clock_.MonotonicNs();
    for (Id id = 0; id < deadlines_.size(); ++id) {
      if (deadlines_[id] && *deadlines_[id] <= now) {
        deadlines_[id].reset();
        due.push_back(id);
      }
    }
    // The wake-up is spent, whether it came in time or early.
    armed_.reset();
    Rearm();
  }
  for (const Id id : due) {
    handlers_[id]();
  }
}

}  // namespace veneer
