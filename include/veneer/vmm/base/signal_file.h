// Signals as something to read.
#pragma once

#include <csignal>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// Blocks these signals on the calling thread, and on those that it starts, and returns a
// signalfd(2) that has them instead; non-blocking. HostError if the kernel refuses.
Result<UniqueFd> OpenSignalFile(const sigset_t& signals);

}  // namespace veneer
