// The files that are left to a process: Landlock (Documentation/userspace-api/landlock.rst).
#pragma once

#include <span>

#include "veneer/host/sandbox/sandbox.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// The calling thread, and all that it starts, reach these files from now on, what every process
// reads of the host, and no others; what is open stays open. Paths that lead nowhere are left out.
// The thread has no_new_privs. False if the host's kernel knows nothing of it.
Result<bool> ConfineFiles(std::span<const AllowedFile> files);

// A rule set by which a program reaches these files, programs and libraries. Invalid if the kernel
// knows nothing of it.
Result<UniqueFd> RulesForProgram(std::span<const AllowedFile> files);

}  // namespace veneer
