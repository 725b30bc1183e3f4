// Where vCPU threads ask whether they may run.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

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
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return stopping_ || (!paused_ && !held_); });
    --waiting_;
    return !stopping_;
  }

  // Whether Pass() would return at once.
  bool open() const { return open_.load(std::memory_order_acquire); }

  void Pause() { Set(paused_, true); }
  void Resume() { Set(paused_, false); }

  // The same for the machine's own business, which a user's Resume() must not cut short.
  void Hold() { Set(held_, true); }
  void Release() { Set(held_, false); }

  void Stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
      open_.store(false, std::memory_order_release);
    }
    changed_.notify_all();
  }

  // Waits until `threads` threads stand at the closed gate, or it is opened or stopped.
  void WaitUntilHeld(unsigned threads) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= threads || (!paused_ && !held_) || stopping_; });
  }

 private:
  void Set(bool& closed, bool value) {
    {
      const std::scoped_lock lock(mutex_);
      closed = value;
      open_.store(!paused_ && !held_ && !stopping_, std::memory_order_release);
    }
    changed_.notify_all();
  }

  std::atomic<bool> open_{true};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool paused_ = false;
  bool held_ = false;
  bool stopping_ = false;
  unsigned waiting_ = 0;
};

}  // namespace veneer
