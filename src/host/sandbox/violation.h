// The end of a process of which a thread asked for what its list does not have.
#pragma once

#include "filters.h"

namespace veneer {

// From now on SIGSYS writes a line that names the system call to stderr, and ends the process.
void ReportViolations();

// What the calling thread is called in that line; it hears SIGSYS from now on.
void NameForViolations(FilterFor filter);

}  // namespace veneer
