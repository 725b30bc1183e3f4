// How a guest ends: SCHEDOP_shutdown, SCHEDOP_shutdown_code, and the watchdogs (xen/sched.h).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/xencompat/abi/xen_errno.h"
#include "veneer/xencompat/domain/deadlines.h"
#include "veneer/xencompat/domain/machine_hooks.h"

namespace veneer {

// Thread-safe.
class Shutdown {
 public:
  static constexpr std::size_t kWatchdogs = 2;

  // All must outlive this object.
  Shutdown(const Clock& clock, Deadlines& deadlines, XenMachineHooks& hooks);

  // SCHEDOP_shutdown: 0, or 1 for a suspend that was cancelled.
  std::int64_t Request(std::uint8_t reason);
  // SCHEDOP_shutdown_code: the first reason given is the one reported when the guest shuts down.
  void SetCode(std::uint8_t reason);

  // A new guest begins: no reason has been given, no watchdog is set.
  void StartOver();

  // SCHEDOP_watchdog. `id` 0 takes a free one and returns its id; another `id` is set anew, or
  // given back with a `timeout` of 0. Seconds. EINVAL for an id not in use, ENOSPC.
  XenResult<std::uint32_t> SetWatchdog(std::uint32_t id, std::uint32_t timeout);

 private:
  struct Watchdog {
    Deadlines::Id deadline = 0;
    bool in_use = false;
  };

  const Clock& clock_;
  Deadlines& deadlines_;
  XenMachineHooks& hooks_;
  Mutex mutex_;
  std::optional<std::uint8_t> code_ GUARDED_BY(mutex_);
  std::array<Watchdog, kWatchdogs> watchdogs_ GUARDED_BY(mutex_){};
};

}  // namespace veneer
