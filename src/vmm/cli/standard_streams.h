// The three descriptors that every program may count on, and this one does not find always.
#pragma once

#include "veneer/vmm/base/result.h"

namespace veneer {

// Opens /dev/null in place of what the caller has closed of standard input, output and error: else
// the next files opened would take their numbers, and be read and written as if they were the
// user's terminal. Before anything else is opened.
Result<void> OpenMissingStandardStreams();

}  // namespace veneer
