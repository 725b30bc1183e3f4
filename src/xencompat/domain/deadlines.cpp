#include "veneer/xencompat/domain/deadlines.h"

#include <utility>

#include "veneer/vmm/base/check.h"

namespace veneer {

Deadlines::Id Deadlines::Add(Handler handler) {
  entries_.push_back({std::move(handler), std::nullopt});
  return entries_.size() - 1;
}

void Deadlines::Set(Id id, std::optional<std::uint64_t> deadline_ns) {
  if (deadline_ns && *deadline_ns <= clock_.MonotonicNs()) {
    Arm(id, std::nullopt);
    entries_[id].handler();
    return;
  }
  Arm(id, deadline_ns);
}

void Deadlines::Arm(Id id, std::optional<std::uint64_t> deadline_ns) {
  VENEER_CHECK(id < entries_.size() && wakeup_ != nullptr);
  const std::lock_guard lock(mutex_);
  entries_[id].deadline = deadline_ns;
  Rearm();
}

void Deadlines::Rearm() {
  std::optional<std::uint64_t> earliest;
  for (const Entry& entry : entries_) {
    if (entry.deadline && (!earliest || *entry.deadline < *earliest)) {
      earliest = entry.deadline;
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
    const std::lock_guard lock(mutex_);
    const std::uint64_t now = clock_.MonotonicNs();
    for (Id id = 0; id < entries_.size(); ++id) {
      if (entries_[id].deadline && *entries_[id].deadline <= now) {
        entries_[id].deadline.reset();
        due.push_back(id);
      }
    }
    // The wake-up is spent, whether it came in time or early.
    armed_.reset();
    Rearm();
  }
  for (const Id id : due) {
    entries_[id].handler();
  }
}

}  // namespace veneer
