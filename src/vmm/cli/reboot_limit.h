// Tells a guest that reboots now and then from one that does nothing else.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>

#include "veneer/vmm/base/result.h"

namespace veneer {

class RebootLimit {
 public:
  // `reboots` 0: there is none.
  struct Rate {
    unsigned reboots = 20;
    unsigned seconds = 10;
  };

  explicit RebootLimit(Rate rate) : rate_(rate) {}
  // A reboot at `now_ns` (monotonic, never before the last one). False: it is one too many.
  bool Allow(std::uint64_t now_ns);
  const Rate& rate() const { return rate_; }

 private:
  const Rate rate_;
  std::deque<std::uint64_t> recent_;  // at most rate_.reboots
};

// "20/10": at most 20 reboots in 10 seconds; or "off".
Result<RebootLimit::Rate> ParseRebootRate(std::string_view text);

}  // namespace veneer
