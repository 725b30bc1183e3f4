#include "veneer/xencompat/domain/shutdown.h"

namespace veneer {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

ShutdownReason ToReason(std::uint8_t reason) {
  return reason <= SHUTDOWN_MAX ? static_cast<ShutdownReason>(reason) : ShutdownReason::kCrash;
}

}  // namespace

Shutdown::Shutdown(const Clock& clock, Deadlines& deadlines, XenMachineHooks& hooks)
    : clock_(clock), deadlines_(deadlines), hooks_(hooks) {
  for (Watchdog& watchdog : watchdogs_) {
    watchdog.deadline =
        deadlines_.Add([this] { Request(static_cast<std::uint8_t>(ShutdownReason::kWatchdog)); });
  }
}

std::int64_t Shutdown::Request(std::uint8_t reason) {
  constexpr std::int64_t kCancelled = 1;
  {
    const MutexLock lock(mutex_);
    reason = code_.value_or(reason);
  }
  if (ToReason(reason) == ShutdownReason::kSuspend) {
    return hooks_.Suspend() ? 0 : kCancelled;
  }
  hooks_.Shutdown(ToReason(reason));
  return 0;
}

void Shutdown::SetCode(std::uint8_t reason) {
  const MutexLock lock(mutex_);
  if (!code_) {
    code_ = reason;
  }
}

void Shutdown::StartOver() {
  const MutexLock lock(mutex_);
  code_.reset();
  for (Watchdog& watchdog : watchdogs_) {
    watchdog.in_use = false;
    deadlines_.Arm(watchdog.deadline, std::nullopt);
  }
}

XenResult<std::uint32_t> Shutdown::SetWatchdog(std::uint32_t id, std::uint32_t timeout) {
  const MutexLock lock(mutex_);
  const std::uint64_t deadline = clock_.MonotonicNs() + timeout * kNsPerSecond;
  if (id == 0) {
    for (std::uint32_t i = 0; i < watchdogs_.size(); ++i) {
      if (!watchdogs_[i].in_use) {
        watchdogs_[i].in_use = true;
        deadlines_.Arm(watchdogs_[i].deadline, deadline);
        return i + 1;
      }
    }
    return XenError(XEN_ENOSPC);
  }
  if (id > watchdogs_.size() || !watchdogs_[id - 1].in_use) {
    return XenError(XEN_EINVAL);
  }
  Watchdog& watchdog = watchdogs_[id - 1];
  watchdog.in_use = timeout != 0;
  deadlines_.Arm(watchdog.deadline, timeout != 0 ? std::optional(deadline) : std::nullopt);
  return 0U;
}

}  // namespace veneer
