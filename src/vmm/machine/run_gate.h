// Where vCPU threads ask whether they may run.
#pragma once

#include <atomic>

#include "veneer/vmm/base/mutex.h"

namespace veneer {

// Thread-safe. After Pause(), Hold() or Stop() the caller kicks the vCPUs, so that they come and
// ask.
class RunGate {
 public:
  // Blocks while paused. False: the thread shall end.
  bool Pass() {
    if (open_.load(std::memory_order_acquire)) {
      return true;
    }
    const MutexLock lock(mutex_);
    ++waiting_;
    changed_.NotifyAll();
    while (!stopping_ && (paused_ || held_)) {
      changed_.Wait(mutex_);
    }
    --waiting_;
    return !stopping_;
  }

  // Whether Pass() would return at once.
  bool open() const { return open_.load(std::memory_order_acquire); }

  void Pause() { Set(&RunGate::paused_, true); }
  void Resume() { Set(&RunGate::paused_, false); }

  // The same for the machine's own business, which a user's Resume() must not cut short.
  void Hold() { Set(&RunGate::held_, true); }
  void Release() { Set(&RunGate::held_, false); }

  void Stop() {
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
      open_.store(false, std::memory_order_release);
    }
    changed_.NotifyAll();
  }

  // Whether `threads` threads stand at the closed gate.
  bool Holds(unsigned threads) const {
    const MutexLock lock(mutex_);
    return (paused_ || held_) && waiting_ >= threads;
  }

  // Waits until `threads` threads stand at the closed gate, or it is opened or stopped.
  void WaitUntilHeld(unsigned threads) {
    const MutexLock lock(mutex_);
    while (waiting_ < threads && (paused_ || held_) && !stopping_) {
      changed_.Wait(mutex_);
    }
  }

 private:
  void Set(bool RunGate::*closed, bool value) {
    {
      const MutexLock lock(mutex_);
      this->*closed = value;
      open_.store(!paused_ && !held_ && !stopping_, std::memory_order_release);
    }
    changed_.NotifyAll();
  }

  std::atomic<bool> open_{true};
  mutable Mutex mutex_;
  Condition changed_;
  bool paused_ GUARDED_BY(mutex_) = false;
  bool held_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  unsigned waiting_ GUARDED_BY(mutex_) = 0;
};

}  // namespace veneer
