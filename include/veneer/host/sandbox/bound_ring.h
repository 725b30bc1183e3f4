// What an io_uring may be asked for. The kernel performs its requests, of which no filter of system
// calls sees anything: unbound, a ring would open files for a thread that may not.
#pragma once

#include <cstdint>
#include <span>

#include <liburing.h>

namespace veneer {

// The ring was made with IORING_SETUP_R_DISABLED, and its files are registered: from now on it
// takes `operations` (IORING_OP_…) on these files alone, and starts. Without that flag, which
// kernels before 5.10 do not know, nothing is done. 0, or a negative errno.
int BindRing(io_uring& ring, std::span<const std::uint8_t> operations);

}  // namespace veneer
