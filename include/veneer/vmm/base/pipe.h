// A pipe of this process's own.
#pragma once

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

struct Pipe {
  UniqueFd in;   // to read from
  UniqueFd out;  // to write to
};

// No program that is started inherits it. HostError if the process has too many files open.
Result<Pipe> MakePipe();

}  // namespace veneer
