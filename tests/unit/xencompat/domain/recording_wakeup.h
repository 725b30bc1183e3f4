// A wake-up timer that a test reads, and rings when it likes.
#pragma once

#include <cstdint>
#include <optional>

#include "veneer/vmm/base/deadline_timer.h"

namespace veneer {

class RecordingWakeup final : public DeadlineTimer {
 public:
  void SetDeadline(std::optional<std::uint64_t> deadline_ns) override {
    deadline = deadline_ns;
    ++sets;
  }
  std::optional<std::uint64_t> deadline;
  unsigned sets = 0;
};

}  // namespace veneer
