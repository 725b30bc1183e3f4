// What the threads of a test wake one another with.
#pragma once

#include <condition_variable>
#include <mutex>

namespace veneer::testing {

// Remembers one wake-up, like an event channel's pending bit.
class Wakeup {
 public:
  void Set() {
    {
      const std::scoped_lock lock(mutex_);
      set_ = true;
    }
    changed_.notify_one();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return set_; });
    set_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

}  // namespace veneer::testing
