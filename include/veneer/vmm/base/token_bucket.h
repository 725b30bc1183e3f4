// A rate limit, which the queues of a device may share.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace veneer {

// Thread-safe. What has been charged is paid off at a constant rate; while more than a burst's
// worth is owed, nothing new may begin. A charge of any size is taken when it may begin, so that
// requests larger than the burst get through.
class TokenBucket {
 public:
  static constexpr std::uint64_t kBurstNs = 100'000'000;  // a tenth of a second's worth at once

  // 0: no limit.
  explicit TokenBucket(std::uint64_t per_second) : per_second_(per_second) {}

  // How long nothing may begin, ns; 0: go ahead.
  std::uint64_t DelayNs(std::uint64_t now_ns) const {
    const std::uint64_t paid_off = paid_off_ns_.load(std::memory_order_relaxed);
    return paid_off > now_ns + kBurstNs ? paid_off - now_ns - kBurstNs : 0;
  }

  void Charge(std::uint64_t tokens, std::uint64_t now_ns) {
    if (per_second_ == 0) {
      return;
    }
    constexpr double kNsPerSecond = 1e9;
    const auto cost = static_cast<std::uint64_t>(static_cast<double>(tokens) * kNsPerSecond /
                                                 static_cast<double>(per_second_));
    std::uint64_t paid_off = paid_off_ns_.load(std::memory_order_relaxed);
    while (!paid_off_ns_.compare_exchange_weak(paid_off, std::max(paid_off, now_ns) + cost,
                                               std::memory_order_relaxed)) {
    }
  }

  // For what does not take longer the more it is, such as letting go of a range: it counts as no
  // more than a second's worth.
  void ChargeASecondAtMost(std::uint64_t tokens, std::uint64_t now_ns) {
    Charge(std::min(tokens, per_second_), now_ns);
  }

 private:
  const std::uint64_t per_second_;
  std::atomic<std::uint64_t> paid_off_ns_{0};  // when all that has been charged is paid off
};

}  // namespace veneer
