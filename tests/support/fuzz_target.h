// What the entry points of fuzz targets have in common.
#pragma once

#include "support/fuzz_input.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"

namespace veneer::testing {

// Before anything that a guest can make log: its complaints would take most of a run's time.
inline void SilenceLog() {
  static const bool quiet = ConfigureLog(LogLevel::kOff, "").has_value();
  VENEER_CHECK(quiet);
}

// Runs the input's program, each step of which takes what it needs. `most_steps` bounds the time
// for one input, not what it can reach.
template <typename Harness>
void RunSteps(Harness& harness, FuzzInput& input, int most_steps) {
  for (int steps = 0; steps < most_steps && !input.empty(); ++steps) {
    harness.Step(input);
  }
}

}  // namespace veneer::testing
