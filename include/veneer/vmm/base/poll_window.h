// How long a thread looks for work before it sleeps: longer as long as that pays, and not at all
// when it does not.
#pragma once

#include <algorithm>
#include <cstdint>

namespace veneer {

class PollWindow {
 public:
  explicit PollWindow(std::uint64_t longest_ns) : longest_ns_(longest_ns) {}

  // Whether to look once more, having found nothing since `idle_since_ns`.
  bool Open(std::uint64_t idle_since_ns, std::uint64_t now_ns) const {
    return now_ns - idle_since_ns < window_ns_;
  }
  // The window passed without work, and the thread goes to sleep.
  void OnSleep(std::uint64_t idle_since_ns) {
    idle_since_ns_ = idle_since_ns;
    asleep_ = true;
  }
  // There is work again. Had the window been long enough, it would have been found in it.
  void OnWork(std::uint64_t now_ns) {
    if (!asleep_) {
      return;
    }
    asleep_ = false;
    if (now_ns - idle_since_ns_ < longest_ns_ + kWakeUpNs) {
      window_ns_ = std::min(std::max(window_ns_ * 2, kFirstNs), longest_ns_);
    } else {
      window_ns_ = window_ns_ > kFirstNs ? window_ns_ / 2 : 0;
    }
  }
  std::uint64_t window_ns() const { return window_ns_; }

 private:
  static constexpr std::uint64_t kFirstNs = 8000;
  // How much of a sleep may have been the wake-up alone. Without it a window that has closed on a
  // host whose wake-ups are slow, where polling pays most, would never open again.
  static constexpr std::uint64_t kWakeUpNs = 50'000;

  const std::uint64_t longest_ns_;
  std::uint64_t window_ns_ = 0;
  std::uint64_t idle_since_ns_ = 0;
  bool asleep_ = false;
};

}  // namespace veneer
