// Devices that go when the guest lets go of them.
#pragma once

#include <cstdint>
#include <functional>

#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/control/guest_control.h"

namespace veneer {

// How long a guest may take to let go of a device before the user is told to wait no more, ns.
inline constexpr std::uint64_t kRemovalLimitNs = 10'000'000'000;

// Asks for a removal by `ask`, which calls what it is given once the device is gone. `done` is
// called once: then, with `ask`'s error, or with `late` after `limit_ns`. On the loop's thread.
void AwaitRemoval(EventLoop& loop, std::uint64_t limit_ns, Error late,
                  const std::function<Result<void>(std::function<void()> removed)>& ask,
                  GuestControl::Done done);

}  // namespace veneer
