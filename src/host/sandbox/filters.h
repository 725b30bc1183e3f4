// Filters of system calls, made from the lists.
#pragma once

#include <optional>

#include "veneer/host/sandbox/sandbox.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

// Whom a filter is for: the main thread, the one that starts programs, or a kind of thread.
enum class FilterFor { kMain, kChildren, kVcpu, kPvmVcpu, kDisk, kNet, kUserNet, kOutput };

// Nothing: such a thread keeps its maker's filter.
std::optional<FilterFor> FilterOf(ThreadKind kind);

// For the violation's line: "a vCPU's thread".
const char* Describe(FilterFor filter);

// Puts the calling thread under the filter, on top of those that it has. The process has
// no_new_privs.
Result<void> InstallFilter(FilterFor filter, SandboxMode mode);

}  // namespace veneer
