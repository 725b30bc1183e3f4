// A network of this process' own, in which it may make taps without rights on the host's.
#pragma once

#include "veneer/vmm/base/result.h"

namespace veneer::bench {

// Enters a new network namespace, and as an ordinary user a user namespace around it; both are gone
// with the process and its children. Puts the loopback up. Before there are threads.
Result<void> EnterOwnNetwork();

}  // namespace veneer::bench
