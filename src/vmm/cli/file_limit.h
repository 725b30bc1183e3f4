// How many files this process may have open.
#pragma once

namespace veneer {

// Raises the soft limit (RLIMIT_NOFILE), 1024 by default, to what a guest with many disks and
// connections needs, as far as the hard limit goes.
void RaiseFileLimit();

}  // namespace veneer
