// A fixed set of one-shot deadlines behind a single wake-up: the timers of all vCPUs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/deadline_timer.h"
#include "veneer/vmm/base/mutex.h"

namespace veneer {

// Thread-safe, but for Add() and Attach(), which come first.
class Deadlines {
 public:
  using Id = std::size_t;
  // Runs on the thread that calls OnWakeup() or, for a deadline in the past, that calls Set(); no
  // lock is held. It may set deadlines again.
  using Handler = std::function<void()>;

  // `clock` must outlive this object.
  explicit Deadlines(const Clock& clock) : clock_(clock) {}
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;

  Id Add(Handler handler);
  // Who wakes us; OnWakeup() is what it calls. Must outlive the use of Set().
  void Attach(DeadlineTimer& wakeup) { wakeup_ = &wakeup; }

  // Replaces the deadline (CLOCK_MONOTONIC, ns); nothing: stopped. A deadline that has passed runs
  // its handler before this returns.
  void Set(Id id, std::optional<std::uint64_t> deadline_ns);
  // The same, but leaves a deadline that has passed to the next OnWakeup(): for callers that hold a
  // lock their handler takes.
  void Arm(Id id, std::optional<std::uint64_t> deadline_ns);

  // Runs the handlers whose time has come.
  void OnWakeup();

 private:
  // Tells the wake-up timer about the earliest deadline, if that has changed.
  void Rearm() REQUIRES(mutex_);

  const Clock& clock_;
  DeadlineTimer* wakeup_ = nullptr;
  std::vector<Handler> handlers_;  // by id; fixed before deadlines are set
  Mutex mutex_;
  std::vector<std::optional<std::uint64_t>> deadlines_ GUARDED_BY(mutex_);  // by id
  std::optional<std::uint64_t> armed_ GUARDED_BY(mutex_);
};

}  // namespace veneer
