// `veneer run --dry-run`: the machine that the options describe, in words.
#pragma once

#include <string>

#include "run_options.h"

namespace veneer {

// Lines for people; opens nothing.
std::string MachineSummary(const RunOptions& options);

}  // namespace veneer
