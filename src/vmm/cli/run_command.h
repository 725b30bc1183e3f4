// `veneer run`: builds the machine, lends it the terminal, and waits for its end.
#pragma once

#include "run_options.h"

namespace veneer {

// Returns the process' exit code.
int RunCommand(const RunOptions& options);

}  // namespace veneer
