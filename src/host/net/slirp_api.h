// libslirp's functions, loaded when the first user-mode network is made: GLib comes with it, which
// no other guest should have to wait for.
#pragma once

#include <slirp/libslirp.h>

#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"

// What is used of it, without the prefix slirp_.
#define VENEER_SLIRP_FUNCTIONS(X) \
  X(new)                          \
  X(cleanup)                      \
  X(input)                        \
  X(pollfds_fill)                 \
  X(pollfds_poll)                 \
  X(add_hostfwd)

namespace veneer {

struct SlirpApi {
#define VENEER_SLIRP_MEMBER(name) decltype(&::slirp_##name) name##_ = nullptr;
  VENEER_SLIRP_FUNCTIONS(VENEER_SLIRP_MEMBER)
#undef VENEER_SLIRP_MEMBER
};

// Any thread. Stays loaded until the process ends.
Result<const SlirpApi*> LoadSlirpApi();

// The library has a clock and a resolver's address that all of its networks share: held during each
// of its functions.
Mutex& SlirpMutex();

}  // namespace veneer
